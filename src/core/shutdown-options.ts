import { checkBoolean, checkDuration, checkOneOf, checkOptions } from './checks.ts';

/** How `shutDownQueue` treats what was accepted. */
export interface ShutdownOptions {
  /**
   * Whether to finish it. False gives up on the rest: it settles as `Err(QueueAbortedError)` at once.
   * @default true
   */
  readonly drain?: boolean | undefined;
  /**
   * Milliseconds that the draining may take; what is left then settles as `Err(ShutdownTimeoutError)` and sees its
   * signal. Without draining, the time that running work gets to end. Each lifecycle has as long to shut down.
   * @default 10_000
   */
  readonly timeout?: number | undefined;
  /**
   * What becomes of what waits for its `delay` or `at`, of a send or of a collector, when the queue drains: it settles as
   * `Err(QueueClosedError)`, or is waited for within the timeout. Retries are waited for in any case.
   * @default 'cancel'
   */
  readonly scheduled?: 'cancel' | 'wait' | undefined;
}

/** {@link ShutdownOptions}, checked and complete. */
export interface ShutdownSettings {
  readonly drain: boolean;
  readonly timeout: number;
  readonly scheduled: 'cancel' | 'wait';
}

/** @throws `InvalidArgumentError` for a wrong option. */
export function checkShutdown(options: ShutdownOptions): ShutdownSettings {
  const given = checkOptions<ShutdownOptions>('shutDownQueue', options, ['drain', 'timeout', 'scheduled']);
  const { drain = true, timeout = 10_000, scheduled = 'cancel' } = given;
  return {
    drain: checkBoolean('shutDownQueue: drain', drain),
    timeout: checkDuration('shutDownQueue: timeout', timeout, true),
    scheduled: checkOneOf('shutDownQueue: scheduled', scheduled, ['cancel', 'wait']),
  };
}
