import { WaitTimeoutError } from '../core/errors.ts';
import { Alarm } from '../schedule/alarm.ts';

/** What is waited for. */
interface Awaited {
  /** It waits no more, in vain: nothing is to be left behind. */
  gaveUp(wait: Wait<unknown>): void;
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

  /** Something has come of the event. Whether it was this, so that the wait is over. */
  look(): boolean {
    const found = this.#find();
    if (found === undefined) return false;
    this.#resolve?.(found);
    return true;
  }

  giveUp(reason: unknown): void {
    this.#of.gaveUp(this);
    this.#reject?.(reason);
  }

  ring(): void {
    this.giveUp(new WaitTimeoutError(`the event did not settle within ${this.#timeout} ms`));
  }
}
