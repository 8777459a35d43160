import { err, type Result } from 'neverthrow';
import { onAbort } from './abort-hub.ts';
import { CancelledError } from './errors.ts';
import { type CollectorEvent, type EventStatus, QueuedEvent, type WaitOptions, waitWithin } from './event.ts';
import { Handover } from './handover.ts';
import { newListPromise, resolveOfNewest } from './list-promise.ts';
import { type AnyResultOf, type Outcomes, ResultList } from './results.ts';
import { RouterCall } from './router-call.ts';

type LogEntry = [string | undefined, AnyResultOf<Outcomes>];

/** What several sends wait for. It is cancelled once none of them wants it any more. */
export class SharedSource {
  readonly event: QueuedEvent;
  #holders = 0;

  constructor(event: QueuedEvent) {
    this.event = event;
  }

  /** A send joins. */
  join(signal: AbortSignal | undefined): SharedEvent {
    this.#holders++;
    return new SharedEvent(this, signal);
  }

  /** A send wants the results no more. */
  leave(reason: unknown): void {
    if (--this.#holders === 0) this.event.cancel(reason);
  }
}

/** The handle of one of several sends that share what becomes of them. To cancel it detaches it from the others. */
export class SharedEvent implements CollectorEvent {
  readonly #source: SharedSource;
  /** What it was cancelled with. */
  #own: ResultList | undefined = undefined;
  #tell: ((list: ResultList) => void)[] | undefined = undefined;
  /** The signal means nothing any more. */
  readonly #letGo: (() => void) | undefined = undefined;

  constructor(source: SharedSource, signal: AbortSignal | undefined) {
    this.#source = source;
    if (signal === undefined || source.event.status === 'settled') return;
    this.#letGo = onAbort(signal, () => void this.cancel(signal.reason));
    void source.event.wait().then(this.#letGo);
  }

  /** What is shared. */
  get shared(): QueuedEvent {
    return this.#source.event;
  }

  /** The id of what is shared, by which queue events, processors and kept results name it. */
  get id(): string {
    return this.#source.event.id;
  }

  get status(): EventStatus {
    return this.#own === undefined ? this.#source.event.status : 'settled';
  }

  getResult(): ResultList | undefined {
    return this.#own ?? this.#source.event.getResult();
  }

  wait(options?: WaitOptions): Promise<ResultList> {
    if (options !== undefined) return waitWithin(this, this.#source.event.host.clock, options);
    const settled = this.getResult();
    if (settled !== undefined) return Promise.resolve(settled);
    const promise = newListPromise();
    const resolve = resolveOfNewest();
    if (this.#tell === undefined) void this.#source.event.wait().then((list) => this.#settled(list));
    this.#tell ??= [];
    this.#tell.push(resolve);
    return promise;
  }

  cancel(reason?: unknown): boolean {
    if (this.status === 'settled') return false;
    const error = new CancelledError('the event was cancelled', { cause: reason });
    this.#own = listWith(this.#source.event, err(error));
    this.#letGo?.();
    this.#settled(this.#own);
    this.#source.leave(reason);
    return true;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LogEntry, void, void> {
    const seen = new Set<string | undefined>();
    const shared = this.#source.event[Symbol.asyncIterator]();
    const over = this.wait();
    while (this.#own === undefined) {
      const coming = shared.next();
      await Promise.race([coming, over]);
      if (this.#own !== undefined) break;
      const next = await coming;
      if (next.done === true) return;
      seen.add(next.value[0]);
      yield next.value;
    }
    const own = this.#own as ResultList;
    const keys = own.keys();
    for (const [at, result] of [...own].entries()) if (!seen.has(keys[at])) yield [keys[at], result];
  }

  #settled(list: ResultList): void {
    const resolves = this.#tell;
    this.#tell = undefined;
    for (const resolve of resolves ?? []) resolve(list);
  }
}

/** The event behind a handle; undefined for what is none of an in-process queue. */
export function queuedEventOf(event: unknown): QueuedEvent | undefined {
  if (event instanceof SharedEvent) return event.shared;
  return event instanceof QueuedEvent ? event : undefined;
}

/** The results that are there, and this one for the others. */
function listWith({ outcome, collectors }: QueuedEvent, rest: Result<unknown, unknown>): ResultList {
  if (outcome instanceof RouterCall) return outcome.resultsWith(rest)?.list() ?? new ResultList([rest], undefined, []);
  if (!(outcome instanceof Handover)) return new ResultList([rest], undefined, collectors);
  const results = outcome.results.map((result) => result ?? rest);
  return new ResultList(results, undefined, outcome.collectors);
}
