import type { Clock, Timer } from '../../schedule/clock.ts';

/** Told when a standstill ends. */
export interface StandstillHost {
  over(): void;
  /** The daemon does not answer what it has to answer. */
  stuck(): void;
}

/**
 * The time after a refusal in which nothing is sent:
 *
 *     none     → waiting   a frame was refused; it is to come again after a while
 *     waiting  → settling  the while is over, but frames that followed the refused one are not all answered
 *     waiting  → none      it is over, and they are
 *     settling → none      they are now; or this takes too long, and the connection is of no use
 */
type StandstillState = 'none' | 'waiting' | 'settling';

export class Standstill {
  readonly #clock: Clock;
  readonly #longestSettling: number;
  readonly #host: StandstillHost;
  #state: StandstillState = 'none';
  #isSettled = true;
  #timer: Timer | undefined = undefined;

  constructor(clock: Clock, longestSettling: number, host: StandstillHost) {
    this.#clock = clock;
    this.#longestSettling = longestSettling;
    this.#host = host;
  }

  get isOn(): boolean {
    return this.#state !== 'none';
  }

  /** A frame was refused. `isSettled` says whether no other was sent after it. */
  begin(delay: number, isSettled: boolean): void {
    this.#isSettled = isSettled;
    this.#enter('waiting', delay, () => this.#waited());
  }

  /** Everything that followed is answered. */
  settled(): void {
    this.#isSettled = true;
    if (this.#state === 'settling') this.#end();
  }

  /** Does not wait longer than it must. */
  hurry(): void {
    if (this.#state === 'waiting') this.#waited();
  }

  /** The connection is gone, and with it what was refused. */
  stop(): void {
    this.#timer?.cancel();
    this.#state = 'none';
  }

  #waited(): void {
    if (this.#isSettled) this.#end();
    else this.#enter('settling', this.#longestSettling, () => this.#host.stuck());
  }

  #end(): void {
    this.stop();
    this.#host.over();
  }

  #enter(state: StandstillState, delay: number, then: () => void): void {
    this.#timer?.cancel();
    this.#state = state;
    this.#timer = this.#clock.setTimer(then, delay, true);
  }
}
