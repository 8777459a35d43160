import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LevelEventStore, StoreDamagedError } from 'collector-queue/store';

/** A store as its process left it, and what was added to it. */
export interface Left {
  readonly path: string;
  /** How long the newest log was once an event was acknowledged, in order. */
  readonly safeAt: readonly number[];
  readonly size: number;
}

export const quiet = { info: (): void => undefined, warn: (): void => undefined, error: (): void => undefined };

/** Of an event that is in the store: its number says what else must be in it. */
function eventOf(n: number): { readonly n: number; readonly text: string } {
  return { n, text: `event ${n} ${((n * 2_654_435_761) % 1_000_003).toString(36).repeat(1 + (n % 9))}` };
}

export function filesOf(path: string, kind: RegExp): string[] {
  return readdirSync(path)
    .filter((name) => kind.test(name))
    .sort();
}

/** The folder of a store whose process was killed: copied while it is open. */
function copy(from: string, to: string): void {
  // To close the file of a lock is to give the lock up.
  // The reserve has nothing to do with it, and is large.
  cpSync(from, to, { recursive: true, filter: (source) => !/(LOCK|reserve)$/.test(source) });
}

/** Killed while everything is in the log: an event per record, so that a record is at most one event. */
export async function leftInLog(scratch: string, count: number): Promise<Left> {
  const store = new LevelEventStore(join(scratch, 'logging'), { durability: 'os' });
  const safeAt: number[] = [];
  for (let n = 0; n < count; n++) {
    await store.add(eventOf(n));
    const log = filesOf(store.path, /\.log$/).at(-1) as string;
    safeAt.push(statSync(join(store.path, log)).size);
  }
  const path = join(scratch, 'left-in-log');
  copy(store.path, path);
  await store.close();
  return { path, safeAt, size: count };
}

/** Several tables, a manifest that grew, and a log. */
export async function leftInTables(scratch: string, count: number): Promise<Left> {
  const path = join(scratch, 'tables');
  for (let from = 0; from < count; from += count / 4) {
    const store = new LevelEventStore(path, { durability: 'os' });
    await Promise.all(Array.from({ length: count / 4 }, (_, n) => store.add(eventOf(from + n))));
    await store.close();
  }
  const store = new LevelEventStore(path, { durability: 'os' });
  await store.add(eventOf(count));
  const left = join(scratch, 'left-in-tables');
  copy(path, left);
  await store.close();
  return { path: left, safeAt: [], size: count + 1 };
}

export type Damage = (file: string) => void;

export const truncated =
  (size: number): Damage =>
  (file) =>
    truncateSync(file, size);

export const flipped =
  (bit: number): Damage =>
  (file) => {
    const bytes = readFileSync(file);
    const at = bit >> 3;
    bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
    writeFileSync(file, bytes);
  };

export const zeroed =
  (from: number, length: number): Damage =>
  (file) => {
    const bytes = readFileSync(file);
    bytes.fill(0, from, Math.min(from + length, bytes.length));
    writeFileSync(file, bytes);
  };

export const removed: Damage = (file) => rmSync(file);

/** What a store still hands out. */
export interface Outcome {
  readonly numbers: readonly number[];
  readonly quarantined: number;
  /** It said that it cannot be opened. */
  readonly refused: boolean;
}

/**
 * Damages a copy of a store, and takes everything that it still hands out.
 *
 * @throws if it hands out what nobody added, says how much it holds and is wrong, or takes nothing new
 */
export async function damaged(left: Left, scratch: string, file: string, damage: Damage): Promise<Outcome> {
  const path = join(scratch, 'damaged');
  rmSync(path, { recursive: true, force: true });
  cpSync(left.path, path, { recursive: true });
  damage(join(path, file));
  const store = new LevelEventStore(path, { durability: 'os', logger: quiet });
  try {
    await store.open();
  } catch (error) {
    if (!(error instanceof StoreDamagedError)) throw error;
    return { numbers: [], quarantined: 0, refused: true };
  }
  try {
    const numbers = await drained(store);
    const { quarantined } = store;
    await mustWork(store);
    return { numbers, quarantined, refused: false };
  } finally {
    await store.close();
  }
}

async function drained(store: LevelEventStore): Promise<number[]> {
  const numbers: number[] = [];
  for (;;) {
    const events = await store.take({ count: 100 });
    if (events.length === 0) break;
    for (const { event } of events) {
      const expected = eventOf(event.n as number);
      if (JSON.stringify(event) !== JSON.stringify(expected)) throw new Error(`never added: ${JSON.stringify(event)}`);
      numbers.push(expected.n);
    }
  }
  if (store.size !== numbers.length) throw new Error(`says that it holds ${store.size}, and has ${numbers.length}`);
  return numbers;
}

async function mustWork(store: LevelEventStore): Promise<void> {
  const id = (await store.add(eventOf(-1)))._unsafeUnwrap();
  const [event] = await store.take({ count: 2 });
  if (event?.id !== id) throw new Error('does not hand out what is new');
  await store.ack([id]);
}
