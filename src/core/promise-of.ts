/** What has to be waited for, as a native promise; undefined for a value. May throw, as reading `then` may. */
export function promiseOf(value: unknown): Promise<unknown> | undefined {
  if (value instanceof Promise && value.constructor === Promise) return value;
  return isThenable(value) ? Promise.resolve(value) : undefined;
}

/** Takes the rejection of a promise that came where none is of use; who gave it is told that by other means. */
export function hush(value: unknown): void {
  if (value instanceof Promise) value.catch(() => undefined);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  const object = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return object && typeof (value as { then?: unknown }).then === 'function';
}
