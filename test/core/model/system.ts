import {
  Collector,
  type CollectorEvent,
  CollectorQueue,
  CollectorQueueError,
  ErrorCode,
  err,
  ok,
  Payload,
  type QueueMetrics,
} from 'collector-queue';
import { expect } from 'vitest';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import type { Ending, Model, ModelEvent, Setup } from './model.ts';

/** How a processor may end: well, or in one of the ways that user code has of going wrong. */
export const faults = {
  value: () => 1,
  ok: () => ok(1),
  err: () => err('refused'),
  throwError: () => {
    throw new Error('thrown');
  },
  throwUndefined: () => {
    throw undefined;
  },
  throwFrozen: () => {
    throw Object.freeze({});
  },
  throwCyclic: () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    throw cyclic;
  },
  throwProxy: () => {
    throw new Proxy(
      {},
      {
        get() {
          throw new Error('trap');
        },
        getPrototypeOf() {
          throw new Error('trap');
        },
      },
    );
  },
  thenableThatThrows: () => ({
    // biome-ignore lint/suspicious/noThenProperty: hostile on purpose
    then() {
      throw new Error('then');
    },
  }),
  thenableTwice: () => ({
    // biome-ignore lint/suspicious/noThenProperty: hostile on purpose
    then(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
      resolve(2);
      resolve(3);
      reject(new Error('too late'));
    },
  }),
} as const;
export type Fault = keyof typeof faults;
const good: ReadonlySet<Fault> = new Set(['value', 'ok', 'thenableTwice']);
export const endingOf = (fault: Fault): 'ok' | 'err' => (good.has(fault) ? 'ok' : 'err');

const endingsByCode: Partial<Record<string, Ending>> = {
  [ErrorCode.CANCELLED]: 'cancelled',
  [ErrorCode.CLEARED]: 'cleared',
  [ErrorCode.DROPPED]: 'dropped',
  [ErrorCode.QUEUE_FULL]: 'full',
  [ErrorCode.QUEUE_CLOSED]: 'closed',
  [ErrorCode.QUEUE_ABORTED]: 'aborted',
  [ErrorCode.SHUTDOWN_TIMEOUT]: 'shutdown-timeout',
};

interface Call {
  readonly finish: (fault: Fault) => void;
  readonly signal: AbortSignal;
}

/** The real queue, with processors that end when the test says so. */
export class System {
  readonly clock: ManualClock = new ManualClock();
  readonly queue: CollectorQueue;
  readonly handles: Map<number, CollectorEvent> = new Map();
  /** Sends that wait for room, and how to stop them. */
  readonly pending: Map<number, { readonly abort: AbortController; readonly sent: Promise<CollectorEvent> }> =
    new Map();
  readonly starts: number[] = [];
  readonly #calls: Map<string, Call> = new Map();
  readonly #counts: Map<string, number> = new Map();
  readonly #settlements: Map<number, number> = new Map();

  constructor(setup: Setup) {
    const { collectors, ...options } = setup;
    const all = Array.from({ length: collectors }, (_, index) => this.#collector(index));
    this.queue = new CollectorQueue(all, { ...options, clock: this.clock });
  }

  send(event: ModelEvent): void {
    const payload = new Payload(event.id, { priority: event.priority });
    this.#keep(event.id, this.queue.getPublisher().send(payload));
  }

  sendWhenReady(event: ModelEvent): void {
    const abort = new AbortController();
    const payload = new Payload(event.id, { priority: event.priority });
    const sent = this.queue.getPublisher().sendWhenReady(payload, { signal: abort.signal });
    this.pending.set(event.id, { abort, sent });
    sent.then(
      (handle) => {
        this.pending.delete(event.id);
        this.#keep(event.id, handle);
      },
      () => this.pending.delete(event.id),
    );
  }

  finish(id: number, collector: number, fault: Fault): void {
    const key = `${id}/${collector}`;
    this.#calls.get(key)?.finish(fault);
    this.#calls.delete(key);
  }

  signalOf(id: number, collector: number): AbortSignal | undefined {
    return this.#calls.get(`${id}/${collector}`)?.signal;
  }

  /** Compares everything that can be seen with the model. */
  async check(model: Model): Promise<void> {
    await this.clock.turn();
    const metrics = this.queue.getMetrics();
    checkCounts(metrics, model);
    same(this.starts, model.starts);
    same(
      model.events.map((event) => this.#seen(event)),
      model.events.map((event) => wanted(event)),
    );
    for (const [key, count] of this.#counts) if (count !== 1) expect(count, `calls of ${key}`).toBe(1);
    if (!model.closed) this.#checkPool(metrics, model);
  }

  /** What can be seen of an event: its status, its results, how often it settled. */
  #seen(event: ModelEvent): Sight {
    const handle = this.handles.get(event.id);
    const list = handle?.getResult();
    if (list !== handle?.getResult()) throw new Error('getResult gave two lists');
    const endings = list && [...list].map((result) => (result.isOk() ? 'ok' : endingOfError(result.error)));
    return [handle?.status ?? 'room', endings, this.#settlements.get(event.id) ?? 0];
  }

  #checkPool(metrics: QueueMetrics, model: Model): void {
    const { minConsumers, maxConsumers } = model.setup;
    const { consumers, busy, qsize } = metrics;
    same([consumers >= minConsumers, consumers <= maxConsumers, busy <= consumers], [true, true, true]);
    if (!model.paused && qsize > 0) same({ busy, waiting: qsize }, { busy: maxConsumers, waiting: qsize });
  }

  #keep(id: number, handle: CollectorEvent): void {
    this.handles.set(id, handle);
    void handle.wait().then(() => this.#settlements.set(id, (this.#settlements.get(id) ?? 0) + 1));
  }

  #collector(index: number): Collector {
    return new Collector(`c${index}`, (payload: Payload<number>, _context, attempt) => {
      const id = payload.value;
      const key = `${id}/${index}`;
      if (index === 0) this.starts.push(id);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
      return new Promise((resolve, reject) => {
        const finish = (fault: Fault): void => {
          try {
            resolve(faults[fault]());
          } catch (thrown) {
            reject(thrown);
          }
        };
        this.#calls.set(key, { finish, signal: attempt.signal });
      });
    });
  }
}

/** Status, results once there are any, and how often it settled. */
type Sight = [status: string, endings: (Ending | undefined)[] | undefined, settlements: number];

function wanted({ place, endings }: ModelEvent): Sight {
  return place === 'settled' ? [place, endings, 1] : [place, undefined, 0];
}

/** A quick look first: the matcher's words are needed only where there is something to say. */
function same(seen: unknown, wantedToSee: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(wantedToSee)) expect(seen).toEqual(wantedToSee);
}

function checkCounts(metrics: QueueMetrics, model: Model): void {
  same(metrics.offered, metrics.accepted + metrics.rejected);
  same(metrics.accepted, metrics.qsize + metrics.inFlight + metrics.parked + metrics.settled);
  const seen = {
    offered: metrics.offered,
    accepted: metrics.accepted,
    rejected: metrics.rejected,
    waiting: metrics.qsize,
    inFlight: metrics.inFlight,
    settled: metrics.settled,
    busy: metrics.busy,
    late: metrics.late,
  };
  same(seen, {
    offered: model.offered,
    accepted: model.accepted,
    rejected: model.rejected,
    waiting: model.waiting.length,
    inFlight: model.inFlight,
    settled: model.settled,
    busy: model.busy.size,
    late: model.late,
  });
}

function endingOfError(error: unknown): Ending {
  const code = error instanceof CollectorQueueError ? error.code : undefined;
  return (code !== undefined && endingsByCode[code]) || 'err';
}
