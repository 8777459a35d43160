import type { Redis } from 'ioredis';
import { err, type Result } from 'neverthrow';
import { describeThrown } from '../core/errors.ts';
import type { Clock, Timer } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { DEAFNESS } from './audience.ts';
import { BrokerUnavailableError, JobLostError } from './errors.ts';
import type { JobPart } from './job-part.ts';
import { RejectedMessageError } from './messages/errors.ts';
import { readFailure } from './messages/failure-text.ts';
import { readNews } from './messages/news.ts';
import { readResult } from './messages/result-message.ts';
import type { Seal } from './messages/seal.ts';
import type { Serializer } from './messages/serializer.ts';
import { addressOf, resultChannelOf } from './names.ts';
import { ResultNews } from './result-news.ts';

/** What a watch works with. */
export interface WatchParts {
  readonly prefix: string;
  /** What the ids of the events begin with whose results are watched for. */
  readonly origin: string;
  /** What the connection is made from on which the news come. */
  readonly template: Redis;
  readonly seal: Seal;
  readonly serializer: Serializer;
  readonly clock: Clock;
  readonly lookupInterval: number;
  /** How long Redis may take to answer, in milliseconds. */
  readonly sendTimeout: number;
  /** Lets nothing be sent until then. */
  readonly hold: (until: Promise<unknown>) => void;
  readonly report: (source: string, error: unknown) => void;
}

/** How soon a job is looked up again that may have finished just then; longer than {@link DEAFNESS}. Milliseconds. */
const SECOND_LOOK = 2 * DEAFNESS;

/** How long the first sends that somebody waits for are held up until their results can be heard. Milliseconds. */
const HOLD = 1_000;

/**
 * A part in the map of those watched. Emptied once it is not watched any more: a map that many entries pass through
 * leaves tables behind that V8 has promoted, and what these hold outlives two collections, and is promoted as well.
 */
interface Slot {
  part: JobPart | undefined;
}

/**
 * Watches jobs for their results, from the first time that somebody waits. Workers tell what comes of them; what happened
 * before that was heard, or was missed, is looked up.
 */
export class ResultWatch {
  readonly #parts: WatchParts;
  readonly #watched: Map<string, Slot> = new Map();
  #news: ResultNews | undefined;
  #closed = false;
  #check: Timer | undefined;
  /** When the news became complete, on the queue's clock. */
  #completeSince = Number.NEGATIVE_INFINITY;

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
    if (this.#closed) return;
    part.watched = true;
    const now = this.#parts.clock.now();
    part.lookedAt = now;
    this.#watched.set(part.jobId, { part });
    this.#news ??= this.#listen();
    if (part.left || !this.#news.isComplete || now < this.#completeSince + DEAFNESS) this.#mayHaveMissed(part);
    this.#check ??= this.#checkLater();
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
    if (part.toLookUp) this.#lookSoon(part);
  }

  close(): void {
    this.#closed = true;
    this.#check?.cancel();
    this.#watched.clear();
    this.#news?.close();
  }

  #listen(): ResultNews {
    const { template, prefix, origin, clock, sendTimeout: patience, report, hold } = this.#parts;
    let listening: () => void = () => undefined;
    const inTime = settlesWithin(new Promise<void>((resolve) => (listening = resolve)), clock, HOLD);
    hold(inTime);
    void inTime.then((isHeard) => isHeard || this.#closed || report('news of results', unheard(news.trouble)));
    const news = new ResultNews(
      { template, channel: resultChannelOf(prefix, origin), clock, patience },
      {
        told: (news) => this.#told(news),
        complete: () => {
          this.#completeSince = clock.now();
          listening();
          for (const part of this.parts()) if (part.toLookUp) this.#lookSoon(part);
        },
        interrupted: () => {
          for (const part of this.parts()) this.#mayHaveMissed(part);
        },
        refused: (error) => {
          listening();
          report('news of results', error);
        },
      },
    );
    return news;
  }

  /** What is not believed is no result: the job may have a better one. */
  #told(news: string): void {
    const { jobId, envelope } = readNews(news);
    const part = this.partOf(jobId);
    if (part === undefined) return;
    const opened = this.#open(part, parsed(envelope));
    if (opened.isOk()) part.done(readResult(opened.value, this.#parts.serializer));
    else if (part.disbelief === undefined) {
      this.#disbelieve(part, opened.error);
      this.#mayHaveMissed(part);
    }
  }

  /** A job is told of just before it ends: who did not hear of it may look a moment too early. */
  #mayHaveMissed(part: JobPart): void {
    part.toLookUpTwice = true;
    this.#lookSoon(part);
  }

  /** Looks a job up once Redis has it and nothing can be missed any more; by then it may be known what came of it. */
  #lookSoon(part: JobPart): void {
    part.toLookUp = true;
    if (part.phase === 'sent' && this.#news?.isComplete === true) void this.#lookUp(part);
  }

  async #lookUp(part: JobPart): Promise<void> {
    const { clock } = this.#parts;
    part.toLookUp = false;
    part.lookedAt = clock.now();
    try {
      const [state, text] = await part.lane.look(part.jobId);
      if (!part.watched) return;
      if (state === 1) part.done(this.#read(part, parsed(text)));
      else if (state === 2) part.done(this.#readFailure(part, text));
      else if (state === -1) this.#missing(part);
      else {
        part.missingSince = undefined;
        if (part.toLookUpTwice) this.#lookAgain(part);
        part.toLookUpTwice = false;
      }
    } catch {
      // Redis is away.
      this.#lookAgain(part);
    }
  }

  /** It may have finished just now, and be gone: then that is told. */
  #missing(part: JobPart): void {
    const now = this.#parts.clock.now();
    part.missingSince ??= now;
    if (now - part.missingSince >= DEAFNESS) part.done(err(part.disbelief ?? notThere()));
    else this.#lookAgain(part);
  }

  #lookAgain(part: JobPart): void {
    if (this.#closed) return;
    this.#parts.clock.setTimer(() => part.watched && this.#lookSoon(part), SECOND_LOOK, true);
  }

  #read(part: JobPart, envelope: unknown): Result<unknown, unknown> {
    const opened = this.#open(part, envelope);
    if (opened.isErr() && part.disbelief === undefined) this.#disbelieve(part, opened.error);
    return opened.andThen((body) => readResult(body, this.#parts.serializer));
  }

  #open({ lane, jobId }: JobPart, envelope: unknown): Result<string, RejectedMessageError> {
    const { seal, clock, prefix } = this.#parts;
    return seal.open('result', addressOf(prefix, lane.queueName, jobId), envelope, clock.wall());
  }

  /** Told once for each job, whatever else comes. */
  #disbelieve(part: JobPart, error: RejectedMessageError): void {
    part.disbelief = error;
    this.#parts.report(`result of job ${part.jobId} of queue "${part.lane.queueName}"`, error);
  }

  #readFailure(part: JobPart, reason: unknown): Result<unknown, unknown> {
    const envelope = readFailure(reason);
    if (envelope !== undefined) return this.#read(part, envelope);
    const text = typeof reason === 'string' ? reason : 'no reason';
    return err(new RejectedMessageError('malformed', `the job failed, and its worker did not say how: ${text}`));
  }

  /** While anybody waits, what has not been looked at for a while is looked up. */
  #checkLater(): Timer {
    const { clock, lookupInterval } = this.#parts;
    return clock.setTimer(() => {
      this.#check = undefined;
      this.#news?.check();
      if (this.#watched.size === 0) return;
      const before = clock.now() - lookupInterval;
      for (const part of this.parts()) if (part.phase === 'sent' && part.lookedAt <= before) void this.#lookUp(part);
      this.#check = this.#checkLater();
    }, lookupInterval / 2);
  }
}

function unheard(cause: Error | undefined): BrokerUnavailableError {
  const why = cause === undefined ? 'no answer' : describeThrown(cause);
  return new BrokerUnavailableError(`there is no connection for results, which are looked up meanwhile: ${why}`, {
    cause,
  });
}

function notThere(): JobLostError {
  return new JobLostError('the result of the job is lost: it is not in Redis any more');
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    return describeThrown(error);
  }
}
