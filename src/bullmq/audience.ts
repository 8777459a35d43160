import type { Clock } from '../schedule/clock.ts';

/**
 * How long workers believe that nobody listens on a channel, in milliseconds. Who begins to listen looks up what may have
 * come to its end in that time.
 */
export const DEAFNESS = 250;

/** Channels that are remembered. */
const MOST = 1_000;

/** Where somebody listens, as far as a worker knows: to tell results to nobody would cost each job a command. */
export class Audience {
  readonly #clock: Clock;
  /** When somebody may listen again, by channel. */
  readonly #deafUntil: Map<string, number> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  mayListen(channel: string): boolean {
    const until = this.#deafUntil.get(channel);
    if (until === undefined) return true;
    if (this.#clock.now() < until) return false;
    this.#deafUntil.delete(channel);
    return true;
  }

  /** Nobody listened to what was told at that time, by the queue's clock. */
  nobody(channel: string, at: number): void {
    if (this.#deafUntil.size >= MOST) this.#deafUntil.clear();
    this.#deafUntil.set(channel, at + DEAFNESS);
  }
}
