import type { Clock } from './clock.ts';

/** Whether the promise settles within `timeout` milliseconds. Rejects as the promise does; a later rejection is let go. */
export async function settlesWithin(promise: Promise<unknown>, clock: Clock, timeout: number): Promise<boolean> {
  let end: () => void = () => undefined;
  const late = new Promise<boolean>((resolve) => {
    const timer = clock.setTimer(() => resolve(false), timeout);
    end = () => timer.cancel();
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    end();
  }
}
