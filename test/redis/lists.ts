import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for a condition, whatever it takes; the test's own time limit is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(5);
}

export function events(first: number, last: number): { id: number }[] {
  return Array.from({ length: last - first + 1 }, (_, at) => ({ id: first + at }));
}

/** The ids in a list of events in JSON. */
export function idsIn(list: unknown): number[] {
  return (list as string[]).map((text) => (JSON.parse(text) as { id: number }).id);
}
