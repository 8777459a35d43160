import { checkBoolean, checkInteger, checkOptions } from '../core/checks.ts';
import { describeThrown } from '../core/errors.ts';
import type { EmitterEvent } from '../emitter/index.ts';
import { StoreDiskError } from './errors.ts';
import type { LevelConnection } from './level-connection.ts';
import type { LevelChunk, LevelDatabase } from './level-database.ts';
import {
  ALL_EVENTS,
  ALL_MARKS,
  afterEvent,
  decodeEvent,
  decodeMark,
  type KeyRange,
  readKey,
  timeOf,
} from './level-records.ts';

/** An event as {@link LevelEventStore.list} shows it. */
export interface ListedEvent {
  readonly id: number;
  /** When it was added, in milliseconds since the Unix epoch; 0 if that cannot be read. */
  readonly at: number;
  /** Undefined if it is damaged. */
  readonly event: EmitterEvent | undefined;
}

/** What of a store is listed. */
export interface ListOptions {
  /**
   * At most so many; at least 1.
   * @default Infinity
   */
  readonly limit?: number | undefined;
  /**
   * Only events with a higher id; at least 0.
   * @default 0
   */
  readonly after?: number | undefined;
  /**
   * The youngest first.
   * @default false
   */
  readonly newest?: boolean | undefined;
  /**
   * Damaged records too.
   * @default false
   */
  readonly damaged?: boolean | undefined;
}

interface ListSettings {
  readonly limit: number;
  readonly range: KeyRange;
  readonly newest: boolean;
  readonly damaged: boolean;
}

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveListOptions(owner: string, options: ListOptions): ListSettings {
  checkOptions<ListOptions>(owner, options, ['limit', 'after', 'newest', 'damaged']);
  const { limit = Number.POSITIVE_INFINITY, after = 0, newest = false, damaged = false } = options;
  const first = checkInteger(`${owner}: after`, after, { min: 0 });
  return {
    limit: checkInteger(`${owner}: limit`, limit, { min: 1, infinite: true }),
    range: { after: first === 0 ? ALL_EVENTS.after : afterEvent(first), before: ALL_EVENTS.before },
    newest: checkBoolean(`${owner}: newest`, newest),
    damaged: checkBoolean(`${owner}: damaged`, damaged),
  };
}

/** How much one reading brings. */
const CHUNK = { count: 1_000, bytes: 1 << 20 } as const;

/** Reads on from chunk to chunk, each as the store is by then. */
export async function* listEvents(
  connection: LevelConnection,
  { limit, range: all, newest, damaged }: ListSettings,
): AsyncGenerator<ListedEvent, void> {
  let left = limit;
  let range = all;
  while (left > 0) {
    const limits = { ...CHUNK, count: Math.min(CHUNK.count, left), reverse: newest };
    const { records, ended } = await readable(connection.database.read(range, limits));
    for (const { key, value } of records) {
      range = newest ? { ...range, before: key } : { ...range, after: key };
      const event = decodeEvent(key, value);
      if (event === undefined && !damaged) continue;
      left--;
      const at = event === undefined ? 0 : timeOf(value);
      yield { id: event?.id ?? readKey(key)?.id ?? 0, at, event: event?.event };
    }
    if (ended || records.length === 0) return;
  }
}

/** @throws {@link StoreDiskError} for what the database says. */
function readable(reading: Promise<LevelChunk>): Promise<LevelChunk> {
  return reading.catch((error) => {
    throw new StoreDiskError(`the event store could not be read: ${describeThrown(error)}`, { cause: error });
  });
}

export async function readMarks(database: LevelDatabase): Promise<Map<string, string>> {
  const marks = new Map<string, string>();
  let range = ALL_MARKS;
  for (;;) {
    const { records, ended } = await database.read(range, CHUNK);
    for (const record of records) {
      range = { ...range, after: record.key };
      const mark = decodeMark(record);
      if (mark !== undefined) marks.set(...mark);
    }
    if (ended || records.length === 0) return marks;
  }
}
