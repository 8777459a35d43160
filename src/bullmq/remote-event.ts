import { err, type Result } from 'neverthrow';
import { onAbort } from '../core/abort-hub.ts';
import { checkOptions, checkSignal, checkTimer } from '../core/checks.ts';
import { CancelledError, InvalidArgumentError, QueueClosedError } from '../core/errors.ts';
import type { CollectorEvent, EventStatus, WaitOptions } from '../core/event.ts';
import { type AnyResultOf, type Outcomes, ResultList } from '../core/results.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Timers } from '../schedule/timers.ts';
import type { JobPart } from './job-part.ts';
import { newEventId } from './names.ts';
import { Wait } from './wait.ts';

/** What an event needs of the run that it was sent by. */
export interface RemoteHost {
  /** What the ids of its events begin with. */
  readonly origin: string;
  /** Nobody hears of results any more. */
  readonly isClosed: boolean;
  readonly clock: Clock;
  /** Of the limits of waits. */
  readonly timers: Timers;
  /** The limit of a wait that has none. */
  readonly waitTimeout: number;
  /** Somebody waits for this part. */
  watch(part: JobPart): void;
  /** Nobody waits any more. */
  unwatch(part: JobPart): void;
  /** The event has settled. */
  settled(event: RemoteEvent): void;
  /** An event is cancelled. */
  cancelled(): void;
  /** The event was cancelled: what has not begun need not run. */
  withdraw(part: JobPart): void;
}

type LogEntry = [string | undefined, AnyResultOf<Outcomes>];

/** The event of a queue whose collectors run elsewhere. It learns of results only while somebody waits. */
export class RemoteEvent implements CollectorEvent {
  readonly id: string;
  readonly reply: boolean;
  /** One for each collector that was selected. */
  parts: readonly JobPart[] = [];
  /** Stops listening to the signal of its send. */
  detach: (() => void) | undefined = undefined;
  /** How far it came; pending until Redis has acknowledged all of its jobs. */
  standing: 'new' | 'pending' | 'accepted' | 'rejected' = 'new';
  /** When it is due, if that is later; milliseconds since the Unix epoch. */
  due: number | undefined = undefined;
  readonly #host: RemoteHost;
  #list: ResultList | undefined = undefined;
  /** As a rule there is one. */
  #waits: Wait<unknown>[] = [];
  #log: LogEntry[] | undefined = undefined;

  constructor(host: RemoteHost, reply: boolean) {
    this.#host = host;
    this.id = newEventId(host.origin);
    this.reply = reply;
  }

  get status(): EventStatus {
    if (this.#list !== undefined) return 'settled';
    return this.due !== undefined && this.due > this.#host.clock.wall() ? 'scheduled' : 'waiting';
  }

  get isSettled(): boolean {
    return this.#list !== undefined;
  }

  getResult(): ResultList | undefined {
    return this.#list;
  }

  wait(options?: WaitOptions): Promise<ResultList> {
    if (options === undefined) return this.#until(() => this.#list, this.#host.waitTimeout, undefined);
    const { signal, timeout = this.#host.waitTimeout } = checkOptions<WaitOptions>('wait', options, [
      'signal',
      'timeout',
    ]);
    checkTimer('wait: timeout', timeout, 0);
    checkSignal('wait', signal);
    return this.#until(() => this.#list, timeout, signal);
  }

  cancel(reason?: unknown): boolean {
    return this.giveUp(new CancelledError('the event was cancelled', { cause: reason }));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LogEntry, void, void> {
    this.#log ??= logOf(this.#list, this.parts);
    const log = this.#log;
    for (let at = 0; ; ) {
      for (; at < log.length; at++) yield log[at] as LogEntry;
      if (this.#list !== undefined) return;
      await this.#until(() => (at < log.length ? true : this.#list), this.#host.waitTimeout, undefined);
    }
  }

  /** Settles what is not done with this error, and takes out of Redis what has not begun. False if it had settled. */
  giveUp(error: Error): boolean {
    if (this.#list !== undefined) return false;
    for (const part of this.parts) if (part.result === undefined) this.#host.withdraw(part);
    this.#host.cancelled();
    this.abandon(error);
    return true;
  }

  /** Settles what is not done with this error. Its jobs go on. */
  abandon(error: Error): void {
    if (this.#list !== undefined) return;
    const undone = this.parts.filter(({ result }) => result === undefined);
    if (undone.length === 0) this.settleAs(err(error));
    else for (const part of undone) this.partDone(part, err(error));
  }

  /** One of its jobs has a result; the first one counts. */
  partDone(part: JobPart, result: Result<unknown, unknown>): void {
    if (part.result !== undefined || this.#list !== undefined) return;
    part.result = result;
    if (part.watched) this.#host.unwatch(part);
    this.#log?.push([part.key, result as AnyResultOf<Outcomes>]);
    if (this.parts.every((one) => one.result !== undefined)) this.#settle(listOf(this.parts));
    else this.#tell();
  }

  /** One result stands for an event that no collector took. */
  settleAs(result: Result<unknown, unknown>): void {
    if (this.#list !== undefined) return;
    this.#log?.push([undefined, result as AnyResultOf<Outcomes>]);
    this.#settle(new ResultList([result], undefined, []));
  }

  /** The parts are known only now, and somebody may wait already. */
  partsAdded(): void {
    if (this.#waits.length > 0) this.#watchAll();
  }

  gaveUp(wait: Wait<unknown>): void {
    this.#waits.splice(this.#waits.indexOf(wait), 1);
    this.#forget(wait);
  }

  #settle(list: ResultList): void {
    this.#list = list;
    this.detach?.();
    this.#tell();
    this.#host.settled(this);
  }

  #tell(): void {
    const over: Wait<unknown>[] = [];
    const still: Wait<unknown>[] = [];
    for (const wait of this.#waits) (wait.look() ? over : still).push(wait);
    this.#waits = still;
    for (const wait of over) this.#forget(wait);
  }

  /** Waits until there is something, within limits; leaves neither a timer nor a listener behind. */
  #until<T>(find: () => T | undefined, timeout: number, signal: AbortSignal | undefined): Promise<T> {
    const { clock, timers, isClosed } = this.#host;
    if (isClosed) this.abandon(new QueueClosedError('the queue was shut down; the payload is left to Redis'));
    const found = find();
    if (found !== undefined) return Promise.resolve(found);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (!this.reply) return Promise.reject(noReply());
    const wait = new Wait(this, find, timeout);
    this.#waits.push(wait);
    this.#watchAll();
    timers.set(wait, clock.now() + timeout);
    if (signal !== undefined) wait.detach = onAbort(signal, () => wait.giveUp(signal.reason));
    return wait.promise;
  }

  /** Nothing is left of a wait that is over. */
  #forget(wait: Wait<unknown>): void {
    this.#host.timers.cancel(wait);
    wait.detach?.();
    if (this.#waits.length === 0 && this.#list === undefined) this.#unwatchAll();
  }

  #unwatchAll(): void {
    for (const part of this.parts) if (part.watched) this.#host.unwatch(part);
  }

  #watchAll(): void {
    for (const part of this.parts) if (part.result === undefined && !part.watched) this.#host.watch(part);
  }
}

function noReply(): Error {
  return new InvalidArgumentError('wait', 'called on an event that expects a reply', 'one of { reply: false }');
}

function listOf(parts: readonly JobPart[]): ResultList {
  return new ResultList(
    parts.map(({ result }) => result as Result<unknown, unknown>),
    undefined,
    parts,
  );
}

function logOf(list: ResultList | undefined, parts: readonly JobPart[]): LogEntry[] {
  if (list !== undefined && list.delivered === 0) return [[undefined, list.first()]];
  return parts.flatMap(({ key, result }) => (result === undefined ? [] : [[key, result] as LogEntry]));
}
