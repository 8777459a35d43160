import {
  type Attempt,
  BatchCollector,
  type CollectorEvent,
  CollectorQueue,
  err,
  ok,
  Payload,
  type Result,
} from 'collector-queue';
import { ManualClock } from '../../src/testing/manual-clock.ts';

/** What becomes of one payload in a call. */
export type ItemOutcome = 'ok' | 'err' | 'later';
/** How a call ends: with a result for each payload, by a throw, or with too few results. */
export type CallEnd = 'items' | 'throw' | 'short';

export interface BatchSetup {
  readonly maxConsumers: number;
  readonly maxParked: number;
  readonly maxCount: number;
  readonly maxWait: number;
  readonly grouped: boolean;
  readonly partitioned: boolean;
  readonly concurrency: number | undefined;
  readonly rate: { readonly limit: number; readonly interval: number } | undefined;
  readonly attempts: number;
  readonly timeout: number | undefined;
  readonly ttl: number | undefined;
  readonly lock: boolean;
  /** Calls end at once, without a promise. */
  readonly sync: boolean;
}

export interface BatchOrder {
  readonly partition: string | undefined;
  readonly group: string;
  /** Of its attempts; `ok` for those to come. */
  readonly outcomes: readonly ItemOutcome[];
}

export interface BatchSent {
  readonly order: BatchOrder;
  readonly at: number;
  /** The calls that had it. */
  readonly calls: Call[];
  readonly results: unknown[];
  handle: CollectorEvent | undefined;
  cancelled: boolean;
}

/** A call of the processor. */
export interface Call {
  readonly number: number;
  readonly items: readonly BatchSent[];
  readonly startedAt: number;
  /** What it returned for each; undefined as long as it goes on, and for a call that failed as a whole. */
  results: ReadonlyMap<BatchSent, Result<unknown, unknown>> | undefined;
  endedAt: number | undefined;
  end(how: CallEnd): void;
}

/** Consumers, or parked tasks, that are more than whatever is sent. */
export const ENOUGH = 1_000;

/** Milliseconds that the outcome "later" asks for. */
const LATER = 40;

/** A queue with one collector of batches, whose calls end when the test says so, and a record of what must hold of them. */
export class BatchSystem {
  readonly clock: ManualClock = new ManualClock();
  readonly setup: BatchSetup;
  readonly queue: CollectorQueue;
  readonly violations: string[] = [];
  readonly sents: BatchSent[] = [];
  readonly calls: Call[] = [];
  /** When the queue was resumed; `Infinity` while it is paused. */
  resumedAt = 0;

  constructor(setup: BatchSetup) {
    this.setup = setup;
    const { maxConsumers, maxParked, maxCount, maxWait, grouped, partitioned, rate, attempts, lock } = setup;
    const orderOf = ({ value }: Payload<BatchSent>): BatchOrder => value.order;
    const collector = new BatchCollector(
      'c',
      (payloads: readonly Payload<BatchSent>[], _, call) =>
        this.#call(
          payloads.map(({ value }) => value),
          call.attempts,
        ),
      {
        batch: { maxCount, maxWait, by: grouped ? (payload) => orderOf(payload).group : undefined },
        partitionBy: partitioned ? (payload) => orderOf(payload).partition : undefined,
        concurrency: setup.concurrency,
        rateLimit: rate,
        retry: { attempts, base: 0 },
        timeout: setup.timeout,
        ttl: setup.ttl,
        lock: lock ? { name: 'lock', delay: 10 } : undefined,
      },
    );
    this.queue = new CollectorQueue([collector], { maxConsumers, maxParked, clock: this.clock });
  }

  /** Calls whose work goes on. */
  get going(): Call[] {
    return this.calls.filter(({ endedAt }) => endedAt === undefined);
  }

  get open(): BatchSent[] {
    return this.sents.filter(({ results }) => results.length === 0);
  }

  send(order: BatchOrder): void {
    const sent: BatchSent = {
      order,
      at: this.clock.now(),
      calls: [],
      results: [],
      handle: undefined,
      cancelled: false,
    };
    this.sents.push(sent);
    const event = this.queue.getPublisher().send(new Payload(sent));
    sent.handle = event;
    void event.wait().then((list) => sent.results.push(list));
  }

  cancel(which: number): void {
    const sent = this.sents[which % Math.max(1, this.sents.length)];
    if (sent?.handle?.cancel() === true) sent.cancelled = true;
  }

  /** What must hold of each call when it begins. */
  #call(items: readonly BatchSent[], attempts: readonly Attempt[]): unknown {
    const { setup } = this;
    const now = this.clock.now();
    const { concurrency, rate, maxCount, grouped, lock } = setup;
    const going = this.going.length + 1;
    if (going > Math.min(concurrency ?? going, lock ? 1 : going)) this.#violated(`${going} calls at a time`);
    const recent = this.calls.filter(({ startedAt }) => startedAt > now - (rate?.interval ?? 0)).length;
    if (rate !== undefined && recent >= rate.limit) this.#violated(`${recent + 1} calls in a window`);
    if (items.length > maxCount || items.length === 0) this.#violated(`a call with ${items.length} payloads`);
    if (new Set(items).size !== items.length) this.#violated('a payload twice in a call');
    if (grouped && new Set(items.map(({ order }) => order.group)).size > 1) this.#violated('a call for two groups');
    const { ttl = Number.POSITIVE_INFINITY } = setup;
    // What expires in the millisecond in which its call begins may still be there.
    if (items.some(({ at }) => now > at + ttl)) this.#violated('a call for what has expired');
    for (const [at, sent] of items.entries()) this.#mayBeCalled(sent, attempts[at]);
    const call: Call = {
      number: this.calls.length,
      items,
      startedAt: now,
      results: undefined,
      endedAt: undefined,
      end: () => undefined,
    };
    this.calls.push(call);
    for (const sent of items) sent.calls.push(call);
    if (setup.sync) return this.#end(call, 'items');
    return new Promise((resolve, reject) => {
      call.end = (how) => {
        if (how === 'throw') {
          call.endedAt = this.clock.now();
          reject(new Error('the call failed'));
        } else resolve(this.#end(call, how));
      };
    });
  }

  #mayBeCalled(sent: BatchSent, attempt: Attempt | undefined): void {
    const { order, handle, calls } = sent;
    if (handle?.status === 'settled') this.#violated('a call for what has settled');
    if (attempt?.eventId !== handle?.id || attempt?.number !== calls.length + 1)
      this.#violated('the attempt of another');
    if (calls.some(({ endedAt }) => endedAt === undefined) && this.setup.timeout === undefined)
      this.#violated('two calls for one payload at a time');
    if (!this.setup.partitioned || order.partition === undefined) return;
    const rivals = this.sents.filter((one) => one !== sent && one.order.partition === order.partition);
    const place = this.sents.indexOf(sent);
    for (const rival of rivals) {
      const works = rival.calls.some(({ endedAt }) => endedAt === undefined);
      if (works) this.#violated('two of a key at a time');
      const waits = rival.handle?.status !== 'settled';
      if (waits && this.sents.indexOf(rival) < place) this.#violated('one of a key overtakes another');
      if (waits && rival.calls.length > 0) this.#violated('one of a key comes between two attempts of another');
    }
  }

  #end(call: Call, how: CallEnd): unknown {
    call.endedAt = this.clock.now();
    if (how === 'short') return [];
    const results = call.items.map((sent): [BatchSent, Result<unknown, unknown>] => {
      // Of the attempt that this call is.
      const outcome = sent.order.outcomes[sent.calls.indexOf(call)] ?? 'ok';
      if (outcome === 'ok') return [sent, ok(call.number)];
      return [sent, err(outcome === 'later' ? { retryAfter: LATER } : 'no')];
    });
    // A collector of one payload would take too few results for those of one.
    call.results = new Map(results);
    return results.map(([, result]) => result);
  }

  /** What must hold of each send once it has settled: its value is that of the one call that succeeded in time. */
  checkSettled(): void {
    const { timeout = Number.POSITIVE_INFINITY, attempts } = this.setup;
    for (const { handle, results, calls, ...sent } of this.sents) {
      if (results.length > 1) this.#violated('settled twice');
      if (calls.length > attempts) this.#violated(`${calls.length} attempts`);
      const first = handle?.getResult()?.first();
      if (first?.isOk() !== true) continue;
      const known = this.sents.find((one) => one.handle === handle) as BatchSent;
      const succeeded = calls.filter(({ results: of, startedAt, endedAt = Number.POSITIVE_INFINITY }) => {
        return of?.get(known)?.isOk() === true && endedAt < startedAt + timeout;
      });
      const numbers = succeeded.map(({ number }) => number);
      if (sent.cancelled) this.#violated('cancelled, and yet Ok');
      if (numbers.length !== 1 || numbers[0] !== first.value) this.#violated(`Ok of ${first.value}, not of ${numbers}`);
    }
  }

  /** With room for everything, nothing waits for company for longer than this. */
  checkPrompt(maxWait = this.setup.maxWait): void {
    const { maxConsumers, partitioned, concurrency, rate, lock, maxParked } = this.setup;
    if (maxConsumers < ENOUGH || partitioned || concurrency !== undefined || rate !== undefined || lock) return;
    if (maxParked < ENOUGH) return;
    const late = this.open.find(
      ({ calls, at }) => calls.length === 0 && this.clock.now() > Math.max(at, this.resumedAt) + maxWait,
    );
    if (late !== undefined) this.#violated(`one of ${late.at} still waits for company`);
  }

  /** What was not called in its time is not there any more, if it has a consumer to come back to. */
  checkExpiry(): void {
    const { maxConsumers, ttl = Number.POSITIVE_INFINITY, lock } = this.setup;
    if (maxConsumers < ENOUGH || lock) return;
    const old = this.open.find(
      ({ calls, at }) => calls.length === 0 && this.clock.now() >= Math.max(at + ttl, this.resumedAt),
    );
    if (old !== undefined) this.#violated(`one of ${old.at} has expired`);
  }

  /** A call is waited for until its time limit, and no longer. */
  checkTimeLimit(): void {
    const { timeout = Number.POSITIVE_INFINITY, attempts } = this.setup;
    const isOverdue = ({ startedAt }: Call): boolean => this.clock.now() >= startedAt + timeout;
    const wanted = this.going.filter((call) => !isOverdue(call)).flatMap(({ items }) => items);
    if (wanted.some(({ handle, cancelled }) => handle?.status === 'settled' && !cancelled))
      this.#violated('a payload has settled during its call');
    const unwanted = attempts > 1 ? [] : this.going.filter(isOverdue).flatMap(({ items }) => items);
    if (unwanted.some(({ handle }) => handle?.status !== 'settled'))
      this.#violated('a call is waited for beyond its time limit');
  }

  #violated(what: string): void {
    this.violations.push(`at ${this.clock.now()}: ${what}`);
  }
}
