import { WaitTimeoutError } from '../core/errors.ts';
import { Alarm } from '../schedule/alarm.ts';

/** What is waited for. */
interface Awaited {
  /** The wait is over, whatever has come of it: nothing is to be left behind. */
  waitEnded(wait: Wait<unknown>): void;
}

/** Somebody waits for something of an event, until it is there, its time limit, or a signal. The alarm is that of its limit. */
export class Wait<T> extends Alarm {
  readonly promise: Promise<T>;
  /** Stops listening to the signal. */
  detach: (() => void) | undefined = undefined;
  readonly #of: Awaited;
  readonly #find: () => T | undefined;
  readonly #timeout: number;
  #resolve: ((found: unknown) => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  /**
   * @param find - gives what is waited for, once it is there
   * @param timeout - milliseconds, for the message
   */
  constructor(of: Awaited, find: () => T | undefined, timeout: number) {
    super();
    this.#of = of;
    this.#find = find;
    this.#timeout = timeout;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve as (found: unknown) => void;
      this.#reject = reject;
    });
  }

  /** Something has come of the event. */
  look(): void {
    const found = this.#find();
    if (found === undefined) return;
    this.#of.waitEnded(this);
    this.#resolve?.(found);
  }

  giveUp(reason: unknown): void {
    this.#of.waitEnded(this);
    this.#reject?.(reason);
  }

  ring(): void {
    this.giveUp(new WaitTimeoutError(`the event did not settle within ${this.#timeout} ms`));
  }
}
