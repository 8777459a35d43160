import type { Clock, Timer } from '../../schedule/clock.ts';
import type { HeldEvent } from './held-event.ts';

/**
 * Those whose `store` waits. All wait equally long, so the first that came is the first whose time is up, and one timer is
 * enough for all.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #expired: (event: HeldEvent) => void;
  readonly #waiting: Set<HeldEvent> = new Set();
  /** Stays when nobody waits any more: to stop and start it for each event would cost more. */
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, timeout: number, expired: (event: HeldEvent) => void) {
    this.#clock = clock;
    this.#timeout = timeout;
    this.#expired = expired;
  }

  add(event: HeldEvent): void {
    event.deadline = this.#clock.now() + this.#timeout;
    this.#waiting.add(event);
    if (this.#timer === undefined) this.#arm(this.#timeout);
  }

  delete(event: HeldEvent): void {
    this.#waiting.delete(event);
  }

  /** Ends it. Returns those who still wait. */
  stop(): HeldEvent[] {
    this.#timer?.cancel();
    this.#timer = undefined;
    return [...this.#waiting];
  }

  #arm(delay: number): void {
    this.#timer = this.#clock.setTimer(() => this.#look(), delay, true);
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const event of this.#waiting) {
      if (event.deadline > now) {
        this.#arm(event.deadline - now);
        return;
      }
      this.#waiting.delete(event);
      this.#expired(event);
    }
  }
}
