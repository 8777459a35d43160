import type { Clock, Timer } from '../../schedule/clock.ts';

/** Told when the peer should be asked whether it is there, and when it is not. */
export interface HeartbeatHost {
  ask(): void;
  dead(): void;
}

/** Finds out that a peer is gone which never said so: its machine lost power, a cable was pulled. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #host: HeartbeatHost;
  #heardAt: number;
  #timer: Timer;

  /** @param interval - of silence after which to ask; twice that is the end. Milliseconds. */
  constructor(clock: Clock, interval: number, host: HeartbeatHost) {
    this.#clock = clock;
    this.#interval = interval;
    this.#host = host;
    this.#heardAt = clock.now();
    this.#timer = this.#arm(interval);
  }

  /** Anything came. */
  heard(): void {
    this.#heardAt = this.#clock.now();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #arm(delay: number): Timer {
    return this.#clock.setTimer(() => this.#look(), delay, true);
  }

  #look(): void {
    const silence = this.#clock.now() - this.#heardAt;
    if (silence >= 2 * this.#interval) {
      this.#host.dead();
      return;
    }
    if (silence >= this.#interval) this.#host.ask();
    this.#timer = this.#arm(silence >= this.#interval ? 2 * this.#interval - silence : this.#interval - silence);
  }
}
