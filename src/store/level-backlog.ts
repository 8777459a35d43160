import { describeThrown } from '../core/errors.ts';
import { StoreDiskError } from './errors.ts';
import { Flight, type NumberedEvent } from './flight.ts';
import type { Lane } from './lane.ts';
import type { LevelConnection } from './level-connection.ts';
import type { LevelDatabase, LevelRecord } from './level-database.ts';
import { type OpenedLevel, survey } from './level-opening.ts';
import { ALL_EVENTS, afterEvent, beforeEvent, decodeEvent, type KeyRange, readKey } from './level-records.ts';
import { ReadAhead } from './read-ahead.ts';
import type { StoreLog } from './store-log.ts';

/** How much one reading brings. */
const CHUNK = { count: 1_000, bytes: 1 << 20 } as const;

/** How much may be in memory beyond what is in flight, before what is added has to be read from disk later. */
const AHEAD = { count: 4_000, bytes: 4 << 20 } as const;

/** How many bytes in flight are written anew when the room of what was deleted around them is given back. */
const MOVED_ALONG = 4 << 20;

/**
 * The reading side. Where an event is:
 *
 * ```text
 *             cursor                 last
 *   ┄┄┄┄┄┄┄┄┄┄┄┄│━━━━━━━━━━━━━━━━━━━━━━│┄┄┄┄┄┄┄┄┄┄┄     on disk, by number
 *    in flight,   unread: counted only   being written
 *    read ahead
 * ```
 *
 * The cursor only moves on, so nothing that was deleted is ever met again. While nothing is unread, what is written goes
 * straight to the events that are read ahead, and the disk is not read at all.
 */
export class LevelBacklog {
  readonly flight: Flight = new Flight();
  readonly #ahead = new ReadAhead();
  readonly #lane: Lane;
  readonly #log: StoreLog;
  readonly #connection: LevelConnection;
  /** Told of records that do not decode. */
  readonly #onDamaged: (records: readonly LevelRecord[]) => void;
  #cursor: Uint8Array = ALL_EVENTS.after;
  #last = 0;
  #unread = { count: 0, bytes: 0 };

  constructor(parts: {
    lane: Lane;
    log: StoreLog;
    connection: LevelConnection;
    onDamaged: (records: readonly LevelRecord[]) => void;
  }) {
    this.#lane = parts.lane;
    this.#log = parts.log;
    this.#connection = parts.connection;
    this.#onDamaged = parts.onDamaged;
  }

  get size(): number {
    return this.flight.size + this.#ahead.size + this.#unread.count;
  }

  get bytes(): number {
    return this.flight.bytes + this.#ahead.bytes + this.#unread.bytes;
  }

  /** The number of the youngest event that was written. */
  get last(): number {
    return this.#last;
  }

  /**
   * A key with nothing before it but what was deleted; and what is in flight, if that is little. So an event that is in flight
   * for long does not keep the room of all that came after it.
   */
  get oldestKept(): Uint8Array {
    const waiting = this.#ahead.oldest?.id;
    const unhanded = waiting === undefined ? this.#beginOfUnread() : beforeEvent(waiting);
    const lowest = this.flight.bytes > MOVED_ALONG ? this.flight.lowest : undefined;
    if (lowest === undefined) return unhanded;
    return beforeEvent(lowest);
  }

  /** What was read so far, or was written by this store, is known; the rest is counted here. */
  async opened({ database, events, mended }: OpenedLevel, first: boolean): Promise<void> {
    if (first) {
      this.#last = events.lastId;
      this.#unread = { count: events.count, bytes: events.bytes };
      // A key sorts behind its own beginning, and nothing stands between the two.
      if (events.first !== undefined) this.#cursor = Uint8Array.from(events.first).subarray(0, -1);
      if (events.strays > 0) await this.#removeBeyond(database);
    } else if (mended) {
      const { count, bytes } = await survey(database, this.#unreadRange());
      const lost = this.#unread.count - count;
      if (lost > 0) this.#log.warn(`${lost} events were lost`);
      this.#unread = { count, bytes };
    }
  }

  /** Events were written: the youngest now. */
  written(events: readonly NumberedEvent[]): void {
    for (const event of events) {
      this.#last = event.id;
      if (this.#unread.count === 0 && this.#hasRoomAhead()) {
        this.#ahead.push(event);
        this.#cursor = afterEvent(event.id);
      } else {
        this.#unread.count++;
        this.#unread.bytes += event.bytes;
      }
    }
  }

  /** Takes what comes next into flight, until told to stop; whoever looks at an event decides. */
  take(wanted: (next: NumberedEvent) => boolean): Promise<NumberedEvent[]> {
    return this.#lane.run(async () => {
      const taken: NumberedEvent[] = [];
      for (;;) {
        const next = this.#oldest() ?? (await this.#read(taken));
        if (next === undefined || !wanted(next)) return taken;
        this.#shift();
        this.flight.begin(next);
        taken.push(next);
      }
    });
  }

  /** The oldest, if there is one. */
  takeOne(): Promise<NumberedEvent[]> {
    let taken = 0;
    return this.take(() => taken++ === 0);
  }

  #beginOfUnread(): Uint8Array {
    return this.#unread.count > 0 ? this.#cursor : afterEvent(this.#last);
  }

  #oldest(): NumberedEvent | undefined {
    return this.flight.oldest ?? this.#ahead.oldest;
  }

  #shift(): void {
    if (this.flight.oldest !== undefined) this.flight.shift();
    else this.#ahead.shift();
  }

  #hasRoomAhead(): boolean {
    return this.#ahead.size < AHEAD.count && this.#ahead.bytes < AHEAD.bytes;
  }

  /** Reads until there is something, or nothing more. Who has got something already is not bothered with an error. */
  async #read(taken: readonly NumberedEvent[]): Promise<NumberedEvent | undefined> {
    try {
      while (this.#unread.count > 0 && this.#oldest() === undefined) await this.#readChunk(this.#connection.database);
      return this.#oldest();
    } catch (error) {
      if (taken.length > 0) return undefined;
      if (error instanceof StoreDiskError) throw error;
      throw new StoreDiskError(`the event store could not be read: ${describeThrown(error)}`, { cause: error });
    }
  }

  async #readChunk(database: LevelDatabase): Promise<void> {
    const range = this.#unreadRange();
    const unread = { ...this.#unread };
    const { records, ended, damage } = await database.read(range, CHUNK);
    if (damage !== undefined) this.#log.warn('a part of the database cannot be read', damage);
    const damaged: LevelRecord[] = [];
    for (const record of records) {
      const event = decodeEvent(record.key, record.value);
      const bytes = readKey(record.key)?.bytes ?? 0;
      this.#count(-1, -bytes);
      unread.count -= 1;
      unread.bytes -= bytes;
      if (event === undefined) damaged.push(record);
      else this.#ahead.push(event);
    }
    this.#cursor = ended ? range.before : (records.at(-1) as LevelRecord).key;
    if (ended) this.#giveUp(unread);
    if (damaged.length > 0) this.#onDamaged(damaged);
  }

  /** Keys that sort behind every event would never be read. */
  async #removeBeyond(database: LevelDatabase): Promise<void> {
    const { records } = await database.read({ after: afterEvent(this.#last), before: ALL_EVENTS.before }, CHUNK);
    this.#count(-records.length, 0);
    if (records.length > 0) this.#onDamaged(records);
  }

  /** What was counted, and is not there at the end. */
  #giveUp({ count, bytes }: { readonly count: number; readonly bytes: number }): void {
    if (count === 0) return;
    this.#log.warn(`${count} events were lost to damage`);
    this.#count(-count, -bytes);
  }

  #count(count: number, bytes: number): void {
    this.#unread.count += count;
    this.#unread.bytes += bytes;
  }

  /** Up to what is certainly written: of what is being written nobody knows yet. */
  #unreadRange(): KeyRange {
    return { after: this.#cursor, before: afterEvent(this.#last) };
  }
}
