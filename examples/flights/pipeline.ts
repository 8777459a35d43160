import { CollectorQueue, Payload, QueueType, topicTypes } from 'collector-queue';
import { Accounts } from './accounts.ts';
import { flightCollectors } from './collectors.ts';
import { type FlightTopic, type Reading, routeOf } from './flight.ts';
import { FlightSource } from './source.ts';

export interface FlightOptions {
  readonly limit: number;
  readonly out: string;
  /** Ends the reading; what was read is finished. */
  readonly signal: AbortSignal;
  /** Called once the queue is up, with what looks at it. Returns what ends the watch. */
  readonly watch?: (look: () => Progress) => () => void;
}

/** Where a run stands. */
export interface Progress {
  /** 0 to 1. */
  readonly fraction: number;
  readonly settled: number;
  readonly consumers: number;
  readonly backlog: number;
}

export type FlightRun = Awaited<ReturnType<typeof runFlights>>;

/** How many lines may be on their way to the disk: what gathers while one write is under way is written with the next. */
const CONSUMERS = 64;

/** How many records may wait; with more the reader is held back. The wider it is, the more the priority can sort. */
const BACKLOG = 1_000;

/** An entry of the audit trail is dispatched before any flight. */
const BEFORE_FLIGHTS = -100_000;

/** Streams the flights through a queue. Rejects for what makes a run impossible, such as an archive it cannot open. */
export async function runFlights({ limit, out, signal, watch }: FlightOptions) {
  const startedAt = performance.now();
  const source = new FlightSource(limit);
  const { collectors, timings } = flightCollectors(out);
  const queue = new CollectorQueue(collectors, {
    queueType: QueueType.PRIORITY,
    maxConsumers: CONSUMERS,
    maxSize: BACKLOG,
    topics: topicTypes<Record<FlightTopic, Reading>>(),
  });
  const publisher = queue.getPublisher();
  const accounts = new Accounts();
  let peakConsumers = 0;
  queue.events.on('scaled', ({ to }) => {
    peakConsumers = Math.max(peakConsumers, to);
  });

  const audit = (text: string): void => {
    const entry = { kind: 'audit', text, offeredAt: performance.now() } as const;
    const payload = new Payload(entry, { keys: 'audit', priority: BEFORE_FLIGHTS });
    void accounts.track(publisher.sendWhenReady(payload));
  };

  /** Reads to the end, the limit, the signal or a failure, and no faster than the queue has room. */
  const read = async (): Promise<number> => {
    let records = 0;
    for await (const record of source) {
      const reading = { kind: 'reading', record, offeredAt: performance.now() } as const;
      // Not with the signal: room comes soon, and a record that was read is to be finished.
      const event = await publisher.sendWhenReady(new Payload(reading, routeOf(record)));
      const number = ++records;
      void accounts.track(event, (reason) => audit(`record ${number}: ${reason}`));
      if (signal.aborted || accounts.failure !== undefined) break;
    }
    return records;
  };

  const body = async () => {
    const records = await read();
    await accounts.allSettled();
    const seconds = (performance.now() - startedAt) / 1000;
    audit(`${records} records were read and dealt with${signal.aborted ? '; the run was interrupted' : ''}`);
    await accounts.allSettled();
    // No topic and no key: this goes to all of them, and each answers with its own part, under its key.
    const parts = await publisher.publish({ kind: 'final-report', offeredAt: performance.now() }).wait();
    return { flights: source.flights, records, seconds, accounts, timings, peakConsumers, parts };
  };

  return queue.run(() => {
    const unwatch = watch?.(() => {
      const { consumers, qsize } = queue.getMetrics();
      return { fraction: source.fraction, settled: accounts.settled, consumers, backlog: qsize };
    });
    return body().finally(unwatch);
  });
}
