import { checkBoolean, checkDuration, checkOptions } from './checks.ts';

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
}

/** @throws `InvalidArgumentError` for a wrong option. */
export function checkShutdown(options: ShutdownOptions): { drain: boolean; timeout: number } {
  const given = checkOptions<ShutdownOptions>('shutDownQueue', options, ['drain', 'timeout']);
  const { drain = true, timeout = 10_000 } = given;
  return {
    drain: checkBoolean('shutDownQueue: drain', drain),
    timeout: checkDuration('shutDownQueue: timeout', timeout, true),
  };
}
