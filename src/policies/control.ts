/** What a processor returns or throws to say what becomes of its task, whatever the collector's options are. */
export abstract class TaskControl extends Error {
  readonly #made = true;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }

  /** Safe for anything that a processor may throw; looks at no property of it. */
  static is(value: unknown): value is TaskControl {
    return typeof value === 'object' && value !== null && #made in value;
  }
}

/** When {@link RetryTask} wants the next attempt; at once if nothing is given. */
export interface RetryTaskOptions {
  /** Milliseconds from now, at least 0. */
  readonly delay?: number | undefined;
  /** A point in time: a Date, or milliseconds since the Unix epoch. One in the past means at once. */
  readonly at?: Date | number | undefined;
  /** Why; it becomes the `cause`. */
  readonly cause?: unknown;
}

/**
 * Return or throw it from a processor for another attempt, even where the collector has no `retry`, or no attempts are
 * left. The attempt counts.
 *
 * ```ts
 * new Collector('report', async (payload) => (await ready(payload.value)) ? write(payload.value) : new RetryTask({ delay: 5_000 }));
 * ```
 */
export class RetryTask extends TaskControl {
  readonly delay: number | undefined;
  readonly at: number | undefined;

  /** @throws TypeError for an unknown option, both `delay` and `at`, a negative or NaN delay, an invalid date. */
  constructor(options: RetryTaskOptions = {}) {
    super('the processor asks for another attempt', { cause: options.cause });
    const unknown = Object.keys(options).find((name) => name !== 'delay' && name !== 'at' && name !== 'cause');
    if (unknown !== undefined)
      throw new TypeError(`RetryTask: options are delay, at, cause, but given is '${unknown}'`);
    const { delay, at } = options;
    if (delay !== undefined && at !== undefined) throw new TypeError('RetryTask: delay and at exclude each other');
    if (delay !== undefined && !(typeof delay === 'number' && delay >= 0 && Number.isFinite(delay))) {
      throw new TypeError(`RetryTask: delay must be a duration of at least 0 milliseconds, but it is ${String(delay)}`);
    }
    this.delay = delay;
    const time = at instanceof Date ? at.getTime() : at;
    if (time !== undefined && !(typeof time === 'number' && Number.isFinite(time))) {
      throw new TypeError('RetryTask: at must be a valid Date, or milliseconds since the Unix epoch');
    }
    this.at = time;
  }
}

/** Return or throw it from a processor to end the task without another attempt; it settles as `Err(CancelledError)`. */
export class CancelTask extends TaskControl {
  /** @param reason - why; it becomes the `cause` */
  constructor(reason?: unknown) {
    super('the processor cancelled its task', { cause: reason });
  }
}
