import { describeThrown } from './errors.ts';

/**
 * What the queue logs with: anything that has pino's face, which is fields first, then a message. An error is in the field
 * `err`, where pino writes it out with its stack. Payloads are never logged. A logger that throws or rejects harms nobody;
 * its failure becomes a process warning.
 */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Logs an error that nobody else can be told of; without a logger it becomes a process warning. */
export function reportError(logger: Logger | undefined, source: string, error: unknown): void {
  if (logger === undefined) warn(source, error);
  else guarded(() => logger.error({ source, err: error }, 'collector queue internal error'));
}

/** Logs that something is done otherwise than was asked; without a logger it becomes a process warning. */
export function reportWarning(logger: Logger | undefined, message: string): void {
  if (logger === undefined) process.emitWarning(message, 'CollectorQueueWarning');
  else guarded(() => logger.warn({}, message));
}

export function logInfo(logger: Logger, fields: object, message: string): void {
  guarded(() => logger.info(fields, message));
}

function guarded(log: () => unknown): void {
  try {
    const logged = log();
    if (logged instanceof Promise) logged.catch((error) => warn('the logger', error));
  } catch (error) {
    warn('the logger', error);
  }
}

function warn(source: string, error: unknown): void {
  process.emitWarning(`${source} failed: ${describeThrown(error)}`, 'CollectorQueueWarning');
}
