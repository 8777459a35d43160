import {
  Collector,
  type CollectorEvent,
  type CollectorOptions,
  CollectorQueue,
  err,
  ok,
  type Payload,
  Payload as PayloadOf,
  type TaskPolicy,
} from 'collector-queue';
import { ManualClock } from '../../src/testing/manual-clock.ts';

export type FlowOutcome = 'ok' | 'err' | 'later';

/** How the collector under test is set up. */
export interface FlowSetup {
  readonly maxConsumers: number;
  readonly maxParked: number;
  readonly concurrency: number | undefined;
  readonly rate: { readonly limit: number; readonly interval: number; readonly keyed: boolean } | undefined;
  readonly partitioned: boolean;
  readonly attempts: number;
  readonly timeout: number | undefined;
  readonly ttl: number | undefined;
  readonly delay: number | undefined;
  readonly lock: boolean;
  /** Another policy parks some tasks once. */
  readonly gatekeeper: boolean;
}

/** What is sent. */
export interface FlowOrder {
  readonly partition: string | undefined;
  /** Given with the send, and not made by the collector. */
  readonly own: boolean;
  readonly rateKey: string | undefined;
  readonly ttl: number | undefined;
  /** Goes to another collector, too. */
  readonly both: boolean;
  readonly stopped: boolean;
  /** Outcomes of attempts that end at once; the others end by hand. */
  readonly sync: readonly (FlowOutcome | undefined)[];
}

/** What is known of a send. */
export interface FlowSent {
  readonly order: FlowOrder;
  readonly at: number;
  handle: CollectorEvent | undefined;
  /** When the next attempt may begin, as far as its own delays go. */
  due: number;
  attempts: number;
  works: number;
  rateAsked: boolean;
  partitionAsked: boolean;
  done: boolean;
}

interface FlowWork {
  readonly sent: FlowSent | undefined;
  readonly end: (outcome: FlowOutcome) => void;
}

const NOT_ASKED = { rateAsked: false, partitionAsked: false };

/** Milliseconds that the outcome "later" asks for. */
const LATER = 40;

/** A queue whose attempts end when the test says so, and a record of what must hold of them. */
export class FlowSystem {
  readonly clock: ManualClock = new ManualClock();
  readonly setup: FlowSetup;
  readonly queue: CollectorQueue;
  /** Of this run. */
  sents: FlowSent[] = [];
  readonly violations: string[] = [];
  readonly controller: AbortController = new AbortController();
  works: FlowWork[] = [];
  /** Of each key, in this run. */
  starts: Map<string, number[]> = new Map();
  /** Attempts that go on, in this run. */
  going = 0;
  #run = 0;

  constructor(setup: FlowSetup) {
    this.setup = setup;
    const { maxConsumers, maxParked } = setup;
    const collectors = [
      new Collector('c', ({ value }: Payload<FlowSent>) => this.#attempt(value), this.#options()),
      new Collector('side', () => this.#work(undefined)),
    ];
    this.queue = new CollectorQueue(collectors, { maxConsumers, maxParked, clock: this.clock });
    for (const name of ['finished', 'error-task'] as const) {
      this.queue.events.on(name, ({ id, task }) => {
        const sent = this.sents.find(({ handle }) => handle?.id === id);
        if (sent !== undefined && task === 'c') sent.done = true;
      });
    }
  }

  send(order: FlowOrder): void {
    const { own, partition, ttl, both } = order;
    const at = this.clock.now();
    const due = at + (this.setup.delay ?? 0);
    const sent: FlowSent = { order, at, handle: undefined, due, attempts: 0, works: 0, done: false, ...NOT_ASKED };
    this.sents.push(sent);
    const options = { ...(own && partition !== undefined && { partitionKey: partition }), ...(ttl && { ttl }) };
    const payload = new PayloadOf(sent, { keys: both ? ['c', 'side'] : ['c'] });
    sent.handle = this.queue.getPublisher().send(payload, options);
  }

  /** Looks at what must hold at any time, once everything has happened that can. */
  async check(): Promise<void> {
    await this.clock.advance(0);
    const { concurrency, rate } = this.setup;
    if (concurrency !== undefined && this.going > concurrency) this.#violated(`${this.going} at a time`);
    if (rate === undefined) return;
    for (const [key, starts] of this.starts) {
      const early = starts.some((start, at) => start < (starts[at - rate.limit] ?? -1_000) + rate.interval);
      if (early) this.#violated(`too many starts of ${key}: ${starts}`);
    }
  }

  /** Nobody waits who could run. */
  checkBusy(): void {
    const { maxConsumers, lock, gatekeeper } = this.setup;
    if (maxConsumers < 50 || lock || gatekeeper) return;
    const idle = this.sents.find((sent) => this.#mayRun(sent));
    if (idle !== undefined) this.#violated(`${this.sents.indexOf(idle)} could run`);
    const expired = this.sents.find((sent) => this.isOpen(sent) && sent.attempts === 0 && this.#isExpired(sent));
    if (expired !== undefined) this.#violated(`${this.sents.indexOf(expired)} has expired`);
  }

  isOpen({ done, handle }: FlowSent): boolean {
    return !done && handle?.status !== 'settled';
  }

  /** The next run begins. */
  async restart(): Promise<void> {
    this.#run++;
    this.sents = [];
    this.starts = new Map();
    this.going = 0;
    await this.queue.initQueue();
  }

  partitionOf({ order }: FlowSent): string | undefined {
    return this.setup.partitioned || order.own ? order.partition : undefined;
  }

  #isExpired({ order, at }: FlowSent): boolean {
    const ttl = order.ttl ?? this.setup.ttl;
    // A task that waits for its delay is only looked at afterwards.
    return ttl !== undefined && this.setup.delay === undefined && this.clock.now() >= at + ttl;
  }

  #mayRun(sent: FlowSent): boolean {
    const { concurrency, rate } = this.setup;
    if (!this.isOpen(sent) || sent.due > this.clock.now()) return false;
    // With a time limit, work that is not given up keeps its task from being due.
    if (sent.works > 0 && this.setup.timeout === undefined) return false;
    if (concurrency !== undefined && this.going >= concurrency) return false;
    const key = this.#rateKeyOf(sent);
    const since = this.clock.now() - (rate?.interval ?? 0);
    const starts = (key === undefined ? undefined : this.starts.get(key)) ?? [];
    if (rate !== undefined && key !== undefined && starts.filter((start) => start > since).length >= rate.limit)
      return false;
    return !this.#rivals(sent).some((other) => this.#holdsKey(other) || this.sents.indexOf(other) < this.#place(sent));
  }

  #place(sent: FlowSent): number {
    return sent.attempts > 0 ? -1 : this.sents.indexOf(sent);
  }

  /** Others of the same key that have not come to their end. */
  #rivals(sent: FlowSent): FlowSent[] {
    const key = this.partitionOf(sent);
    if (key === undefined) return [];
    return this.sents.filter((one) => one !== sent && this.partitionOf(one) === key && this.#isAlive(one));
  }

  #isAlive(sent: FlowSent): boolean {
    return sent.works > 0 || this.isOpen(sent);
  }

  #holdsKey(sent: FlowSent): boolean {
    return sent.attempts > 0 && this.#isAlive(sent);
  }

  #rateKeyOf({ order }: FlowSent): string | undefined {
    return this.setup.rate?.keyed === true ? order.rateKey : 'everybody';
  }

  #options(): CollectorOptions {
    const { concurrency, rate, partitioned, attempts, timeout, ttl, delay, lock, gatekeeper } = this.setup;
    const per = ({ value }: Payload<FlowSent>): string | undefined => {
      if (value.rateAsked) this.#violated('asked twice for the key of a rate');
      value.rateAsked = true;
      return value.order.rateKey;
    };
    return {
      concurrency,
      rateLimit: rate && { limit: rate.limit, interval: rate.interval, per: rate.keyed ? per : undefined },
      partitionBy: partitioned
        ? ({ value }: Payload<FlowSent>) => {
            if (value.partitionAsked) this.#violated('asked twice for a partition');
            value.partitionAsked = true;
            return value.order.partition;
          }
        : undefined,
      retry: { attempts, base: 0 },
      timeout,
      ttl,
      delay,
      lock: lock ? { name: 'lock', delay: 10 } : undefined,
      policies: gatekeeper ? [this.#gatekeeper()] : undefined,
      signal: this.controller.signal,
    };
  }

  #gatekeeper(): TaskPolicy {
    const seen = new WeakSet<object>();
    const before: TaskPolicy['before'] = (task) => {
      const sent: FlowSent | undefined = task.payload?.value;
      if (sent?.order.stopped !== true || seen.has(task.chain)) return 'run';
      seen.add(task.chain);
      task.resumeAt(this.clock.now() + 15);
      return 'park';
    };
    return { before };
  }

  #attempt(sent: FlowSent): unknown {
    const { timeout } = this.setup;
    const now = this.clock.now();
    const rivals = this.#rivals(sent);
    if (rivals.some((other) => this.#holdsKey(other))) this.#violated('two of a key at a time');
    if (rivals.some((other) => this.sents.indexOf(other) < this.#place(sent))) this.#violated('out of order');
    if (sent.due > now) this.#violated(`begun at ${now}, due at ${sent.due}`);
    const key = this.#rateKeyOf(sent);
    if (key !== undefined) this.starts.set(key, [...(this.starts.get(key) ?? []), now]);
    const outcome = sent.order.sync[sent.attempts++];
    // Given up then, and attempted again at once.
    if (outcome === undefined && timeout !== undefined) sent.due = now + timeout;
    if (outcome === undefined) return this.#work(sent);
    return this.#result(sent, outcome);
  }

  #work(sent: FlowSent | undefined): Promise<unknown> {
    const run = this.#run;
    const number = sent?.attempts;
    if (sent !== undefined) {
      sent.works++;
      this.going++;
    }
    return new Promise((resolve) => {
      const work: FlowWork = {
        sent,
        end: (outcome) => {
          this.works = this.works.filter((one) => one !== work);
          if (sent === undefined) return resolve(1);
          sent.works--;
          if (run === this.#run) this.going--;
          const givenUp =
            number !== sent.attempts || (this.setup.timeout !== undefined && sent.due <= this.clock.now());
          resolve(givenUp ? err('too late') : this.#result(sent, outcome));
        },
      };
      this.works.push(work);
    });
  }

  #result(sent: FlowSent, outcome: FlowOutcome): unknown {
    if (outcome === 'ok') return ok(1);
    sent.due = this.clock.now() + (outcome === 'later' ? LATER : 0);
    return err(outcome === 'later' ? { retryAfter: LATER } : 'no');
  }

  #violated(what: string): void {
    this.violations.push(`at ${this.clock.now()}: ${what}`);
  }
}
