import type { ConnectionOptions, QueueEvents } from 'bullmq';
import type { Redis } from 'ioredis';
import { err, type Result } from 'neverthrow';
import { describeThrown } from '../core/errors.ts';
import type { Clock, Timer } from '../schedule/clock.ts';
import { JobLostError } from './errors.ts';
import type { JobPart } from './job-part.ts';
import type { BullMQ } from './library.ts';
import { RejectedMessageError } from './messages/errors.ts';
import { readFailure } from './messages/failure-text.ts';
import { readResult } from './messages/result-message.ts';
import type { Seal } from './messages/seal.ts';
import type { Serializer } from './messages/serializer.ts';
import { addressOf } from './names.ts';
import type { Notes } from './notes.ts';

/** What a watch works with. */
export interface WatchParts {
  readonly queueName: string;
  readonly prefix: string;
  readonly bullmq: BullMQ;
  /** What the connection is made from on which the news come. */
  readonly template: Redis;
  readonly notes: Notes;
  readonly seal: Seal;
  readonly serializer: Serializer;
  readonly clock: Clock;
  readonly lookupInterval: number;
  readonly report: (source: string, error: unknown) => void;
  /** How a job stands: `[0]` not finished, `[1, value]` completed, `[2, reason]` failed, `[-1, …]` not there. */
  readonly look: (jobId: string) => Promise<readonly [number, string?]>;
}

/** How soon a job that was not found is looked for again: it may just have finished. Milliseconds. */
const SECOND_LOOK = 500;

/**
 * A part in the map of those watched. Emptied once it is not watched any more: a map that many entries pass through
 * leaves tables behind that V8 has promoted, and what these hold outlives two collections, and is promoted as well.
 */
interface Slot {
  part: JobPart | undefined;
}

/** What the stream tells of a job that has a result, or will have none. */
const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'removed']);

/** An entry of the stream: its id, then names and values. */
type StreamEntry = readonly [id: string, fields: readonly string[]];

/** How soon a stream of news that failed to start is started again. Milliseconds. */
const RESTART = 1_000;

/**
 * Watches jobs of one queue for their results, from the first time that somebody waits. The news come by BullMQ's stream
 * of events; what may have happened before the watch began, or been missed, is looked up.
 */
export class ResultWatch {
  readonly #parts: WatchParts;
  readonly #watched: Map<string, Slot> = new Map();
  #events: QueueEvents | undefined;
  /** The news are complete from here on: what is sent later needs no look. */
  #live = false;
  #starting = false;
  #closed = false;
  #timer: Timer | undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** The part whose result is waited for. */
  partOf(jobId: string): JobPart | undefined {
    return this.#watched.get(jobId)?.part;
  }

  /** The parts whose results are waited for. */
  parts(): JobPart[] {
    return [...this.#watched.values()].map(({ part }) => part as JobPart);
  }

  watch(part: JobPart): void {
    part.watched = true;
    part.lookedAt = this.#parts.clock.now();
    this.#watched.set(part.jobId, { part });
    if (part.phase === 'sent') part.toLookUp = true;
    if (!this.#live) {
      part.toLookUp = true;
      void this.#start();
    } else if (part.toLookUp) void this.#lookUp(part);
    this.#startChecks();
  }

  unwatch(part: JobPart): void {
    part.watched = false;
    const slot = this.#watched.get(part.jobId);
    if (slot?.part !== part) return;
    slot.part = undefined;
    this.#watched.delete(part.jobId);
  }

  /** Redis has acknowledged a job that is watched. */
  sent(part: JobPart): void {
    if (part.toLookUp && this.#live) void this.#lookUp(part);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#watched.clear();
    await this.#events?.close();
  }

  /** The position in the stream is fixed first, so nothing is missed while the connection is made. */
  async #start(): Promise<void> {
    if (this.#starting || this.#live || this.#closed) return;
    this.#starting = true;
    const { bullmq, template, prefix, queueName, notes, clock } = this.#parts;
    try {
      const position = (await notes.serverTime()) - 1;
      if (this.#closed) return;
      const events = new bullmq.QueueEvents(queueName, {
        connection: template as ConnectionOptions,
        prefix,
        lastEventId: `${position}`,
      });
      this.#events = events;
      this.#readNews(events);
      events.on('error', () => undefined);
      events.on('completed', ({ jobId, returnvalue }) => this.partOf(jobId)?.done(this.#read(jobId, returnvalue)));
      events.on('failed', ({ jobId, failedReason }) =>
        this.partOf(jobId)?.done(this.#readFailure(jobId, failedReason)),
      );
      events.on('removed', ({ jobId }) => this.partOf(jobId)?.done(lost('it was removed')));
      this.#live = true;
      for (const part of this.parts()) if (part.toLookUp && part.phase === 'sent') void this.#lookUp(part);
    } catch {
      if (!this.#closed) clock.setTimer(() => this.#watched.size > 0 && void this.#start(), RESTART, true);
    } finally {
      this.#starting = false;
    }
  }

  /** Most is no news here: of each job is told that it was added, waits and runs, and of the jobs of all senders. */
  #readNews(events: QueueEvents): void {
    const backend = events.getBackend();
    const readEvents = backend.readEvents.bind(backend);
    backend.readEvents = (id, timeout) =>
      readEvents(id, timeout).then((read) => {
        if (read?.[0] !== undefined) read[0][1] = this.#newsIn(read[0][1]);
        return read;
      });
  }

  /** The last one tells how far the stream was read, and stays in any case. */
  #newsIn<E extends StreamEntry>(entries: E[]): E[] {
    return entries.filter(([, fields], at) => {
      if (at === entries.length - 1) return true;
      const jobId = fields[fields.indexOf('jobId') + 1];
      return ENDS.has(fields[fields.indexOf('event') + 1] as string) && this.#watched.has(jobId as string);
    });
  }

  /** Looks a job up that has been sent. */
  async #lookUp(part: JobPart): Promise<void> {
    const { look, clock } = this.#parts;
    part.toLookUp = false;
    part.lookedAt = clock.now();
    try {
      const [state, text] = await look(part.jobId);
      if (!part.watched) return;
      if (state === 1) part.done(this.#read(part.jobId, parsed(text)));
      else if (state === 2) part.done(this.#readFailure(part.jobId, text));
      else if (state !== -1) part.missing = false;
      else if (part.missing) part.done(lost('it is not in Redis any more'));
      else {
        part.missing = true;
        clock.setTimer(() => part.watched && void this.#lookUp(part), SECOND_LOOK, true);
      }
    } catch {
      // Redis is away: the next check looks again.
    }
  }

  #read(jobId: string, returned: unknown): Result<unknown, unknown> {
    const { seal, serializer, clock, prefix, queueName, report } = this.#parts;
    const opened = seal.open('result', addressOf(prefix, queueName, jobId), returned, clock.wall());
    if (opened.isErr()) {
      report(`result of job ${jobId} of queue "${queueName}"`, opened.error);
      return err(opened.error);
    }
    return readResult(opened.value, serializer);
  }

  #readFailure(jobId: string, reason: unknown): Result<unknown, unknown> {
    const envelope = readFailure(reason);
    if (envelope !== undefined) return this.#read(jobId, envelope);
    const text = typeof reason === 'string' ? reason : 'no reason';
    return err(new RejectedMessageError('malformed', `the job failed, and its worker did not say how: ${text}`));
  }

  /** While anybody waits, what has not been looked at for a while is looked up. */
  #startChecks(): void {
    const { clock, lookupInterval } = this.#parts;
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = clock.setTimer(() => {
      this.#timer = undefined;
      if (this.#watched.size === 0) return;
      this.#check();
      this.#startChecks();
    }, lookupInterval / 2);
  }

  #check(): void {
    const { clock, lookupInterval } = this.#parts;
    const before = clock.now() - lookupInterval;
    if (!this.#live) void this.#start();
    for (const part of this.parts()) if (part.phase === 'sent' && part.lookedAt <= before) void this.#lookUp(part);
  }
}

function lost(why: string): Result<unknown, JobLostError> {
  return err(new JobLostError(`the result of the job is lost: ${why}`));
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    return describeThrown(error);
  }
}
