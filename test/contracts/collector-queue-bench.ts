import {
  type AnyCollector,
  type Attempt,
  Collector,
  type CollectorEvent,
  type CollectorOptions,
  type CollectorQueue,
  type EventPublisher,
  InvalidArgumentError,
  type Middleware,
  type Payload,
  type QueueEventMap,
  QueueEventName,
  type QueueHealth,
  type QueueOptions,
} from 'collector-queue';
import { expect } from 'vitest';
import { type Gate, gate, thrownBy } from '../core/scene.ts';

/** What every publisher has. */
type AnyPublisher = Pick<EventPublisher, keyof EventPublisher>;

/** What every implementation has. Where the queue is another process's too, some of it takes a moment. */
export interface AnyQueue
  extends Pick<
    CollectorQueue,
    | 'events'
    | 'collectorKeys'
    | 'consumerCount'
    | 'initQueue'
    | 'shutDownQueue'
    | 'getMetrics'
    | 'onIdle'
    | 'addCollector'
    | 'removeCollector'
  > {
  getPublisher(): AnyPublisher;
  use(middleware: Middleware): unknown;
  run<R>(body: (publisher: AnyPublisher) => R | Promise<R>): Promise<R>;
  pause(): void | Promise<void>;
  resume(): void | Promise<void>;
  clear(): number | Promise<number>;
  health(): QueueHealth | Promise<QueueHealth>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options that every implementation has, in its own words. */
export interface BenchOptions
  extends Pick<QueueOptions, 'queueType' | 'defaultPriority' | 'onUnrouted' | 'router' | 'logger'> {
  /** How much may be worked on at a time; of one collector, if there are several. */
  readonly concurrency?: number;
  /** Where waiting is always limited: how long. Others ignore it. */
  readonly waitTimeout?: number;
}

export interface CollectorQueueKind {
  readonly name: string;
  readonly make: (collectors: readonly AnyCollector[], options: BenchOptions) => AnyQueue;
  /** Calls the constructor with what it should refuse. */
  readonly construct: (collectors: unknown, options: object) => unknown;
  /** Options that the constructor should refuse, and what the message must name. */
  readonly badOptions: readonly (readonly [options: object, named: string])[];
  /** Milliseconds after which it can be said that nothing comes. */
  readonly quiet: number;
  /** How often the property is tried. */
  readonly numRuns: number;
}

/** A queue that is up. */
export interface Started {
  readonly queue: AnyQueue;
  readonly publisher: AnyPublisher;
}

/** Where one promise is put to the test. Takes away in the end what was made. */
export class Bench {
  readonly kind: CollectorQueueKind;
  readonly #queues: AnyQueue[] = [];
  readonly #endings: (() => void)[] = [];

  constructor(kind: CollectorQueueKind) {
    this.kind = kind;
  }

  make(collectors: readonly AnyCollector[], options: BenchOptions = {}): AnyQueue {
    return this.adopt(this.kind.make(collectors, options));
  }

  /** Sees to it that a queue is shut down in the end. */
  adopt(queue: unknown): AnyQueue {
    this.#queues.push(queue as AnyQueue);
    return queue as AnyQueue;
  }

  async started(collectors: readonly AnyCollector[], options: BenchOptions = {}): Promise<Started> {
    const queue = this.make(collectors, options);
    await queue.initQueue();
    return { queue, publisher: queue.getPublisher() };
  }

  /** A queue with one collector "a" that does this with values. */
  startedWith(
    work: (value: Payload['value'], attempt: Attempt) => unknown,
    options: BenchOptions & { readonly collector?: CollectorOptions } = {},
  ): Promise<Started> {
    const { collector, ...rest } = options;
    return this.started([new Collector('a', ({ value }, _, attempt) => work(value, attempt), collector)], rest);
  }

  /** A promise that is settled by hand, at the latest when the test ends. */
  gate<T = void>(): Gate<T> {
    const made = gate<T>();
    this.#endings.push(() => made.open(undefined as T));
    return made;
  }

  /** Resolves after a time in which anything that was to come would have come. */
  quiet(): Promise<void> {
    return passed(this.kind.quiet);
  }

  async stop(): Promise<void> {
    for (const end of this.#endings) end();
    await Promise.allSettled(this.#queues.map((queue) => queue.shutDownQueue({ drain: false, timeout: 1_000 })));
  }
}

/** For what a wall clock has to show, such as an expiry. */
export function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** Resolves once the condition holds. */
export async function until(condition: () => unknown): Promise<void> {
  for (const end = Date.now() + 8_000; !condition(); await passed(2)) {
    if (Date.now() > end) throw new Error(`for 8 seconds this did not hold: ${condition}`);
  }
}

/** Records what a queue tells from now on: all events, or those with these names. */
export function recorded<N extends QueueEventName = QueueEventName>(
  queue: Pick<AnyQueue, 'events'>,
  names: readonly N[] = Object.values(QueueEventName) as N[],
): QueueEventMap[N][] {
  const events: QueueEventMap[N][] = [];
  for (const name of names) queue.events.on(name, (event) => events.push(event));
  return events;
}

/** Sends, and resolves once all of it was accepted. */
export async function sendAccepted({ queue, publisher }: Started, payloads: Payload[]): Promise<CollectorEvent[]> {
  const accepted = recorded(queue, ['enqueued']);
  const events = publisher.sendMany(payloads);
  await until(() => events.every((event) => accepted.some(({ id }) => id === event.id)));
  return events;
}

/** The error of an event that has one result, an Err. */
export async function errorOf(event: CollectorEvent) {
  return (await event.wait()).first()._unsafeUnwrapErr();
}

/** The code of that error. */
export async function codeOf(event: CollectorEvent): Promise<unknown> {
  return (await errorOf(event)).code;
}

/** A queue cannot be made with this option. */
export function expectRefused({ kind }: Bench, options: object, named: string): void {
  const error = thrownBy(() => kind.construct([new Collector('a', () => 1)], options));
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(String(error)).toContain(named);
  expect(String(error)).toMatch(/must be .+, but it is .+/);
}
