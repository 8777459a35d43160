import type { Result } from 'neverthrow';
import { type AnyCollector, Collector, type Processor } from '../core/collector.ts';
import { ProcessorError } from '../core/errors.ts';
import type { QueuedEvent } from '../core/event.ts';
import type { Payload } from '../core/payload.ts';
import { promiseOf } from '../core/promise-of.ts';
import { CollectorQueue } from '../core/queue.ts';
import { failureOf, type ResultList, toResult } from '../core/results.ts';
import { Router } from '../core/router.ts';
import type { ShutdownOptions } from '../core/shutdown-options.ts';
import { Surroundings } from '../core/surroundings.ts';
import { type TracedTerms, toldInTerms } from '../core/traced-tasks.ts';
import type { PolicyTask } from '../policies/policy.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import { assignmentOf, type JobPayload, jobTaskOf, policyOfJobs } from './assignment.ts';
import { hold, release } from './held-control.ts';
import type { JobMiddleware } from './job-middleware.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** Jobs that this process may work on at a time, of all collectors; the workers keep to less. */
const ENOUGH_CONSUMERS = 1_000_000;

/**
 * Runs single attempts of jobs: what a processor is called with, and what its outcome means, is the business of an
 * in-process queue within. It has the collectors with their lifecycle, context, policies, time limit, lock and signal;
 * what outlasts the process (retries, delays, expiry, dead letters) is left to Redis.
 */
export class JobRunner {
  readonly #queue: CollectorQueue;
  readonly #schemas: Surroundings;
  /** How many attempts a job had before the one that runs; told by the workers. */
  attemptsBefore: (collectorKey: string, eventId: string) => number = () => 0;

  constructor(
    collectors: readonly AnyCollector[],
    settings: BullMQQueueSettings,
    events: QueueEventSource,
    middleware: JobMiddleware,
  ) {
    const { clock, logger, maxParked, latency } = settings;
    this.#schemas = new Surroundings(settings.schemas);
    this.#queue = new CollectorQueue(collectors.map(this.#withoutRedisPart), {
      router: ToItsCollector,
      maxConsumers: ENOUGH_CONSUMERS,
      maxParked,
      clock,
      logger,
      latency: latency === undefined ? false : { window: latency },
    });
    middleware.attach(this.#queue);
    this.#forward(events);
  }

  get queue(): CollectorQueue {
    return this.#queue;
  }

  /** Sets the collectors up. */
  init(): Promise<void> {
    return this.#queue.initQueue();
  }

  add(collector: AnyCollector): Promise<void> {
    return this.#queue.addCollector(this.#withoutRedisPart(collector));
  }

  async remove(key: string): Promise<void> {
    await this.#queue.removeCollector(key);
  }

  shutDown(options: ShutdownOptions): Promise<void> {
    return this.#queue.shutDownQueue(options);
  }

  /** What happens within and is of interest outside; what it says of attempts is made right by who knows the job. */
  #forward(events: QueueEventSource): void {
    for (const name of ['timeout', 'locked', 'parked'] as const) {
      this.#queue.events.on(name, ({ status, timestamp, ...details }) => {
        if (!events.observed(name)) return;
        const before = this.attemptsBefore(details.task, details.id);
        events.emit(name, { ...details, attempt: details.attempt + before } as never);
      });
    }
    this.#queue.events.on('saturated', ({ abandoned }) => {
      if (events.observed('saturated')) events.emit('saturated', { abandoned });
    });
    this.#queue.events.on('error-internal', ({ source, error }) => events.reportInternal(source, error));
  }

  /** A schema is part of the processor here, since it checks the payload of a job. */
  readonly #withoutRedisPart = (collector: AnyCollector): AnyCollector => {
    const { key, lifecycle, context, policies, settings } = collector;
    const checked = this.#schemas.checkedProcessorOf(collector);
    return new Collector(key, toldInTerms(processorOfJobs(key, checked), JOBS), {
      lifecycle,
      context,
      policies: policies.map(policyOfJobs),
      timeout: settings.timeout,
      lock: settings.lock,
      concurrency: settings.flow?.options.concurrency,
      rateLimit: settings.flow?.options.rateLimit,
      signal: settings.signal,
    });
  };

  /** Makes one attempt. The result may hold a {@link TaskControl}, which was not obeyed. */
  run(payload: JobPayload, timeout: number | undefined): Promise<Result<unknown, unknown>> {
    const publisher = this.#queue.getPublisher();
    const sent = timeout === undefined ? publisher.send(payload) : publisher.send(payload, { timeout });
    const event = sent as unknown as QueuedEvent;
    // It starts in a microtask.
    if (event.status !== 'settled') event.needExtras().id = assignmentOf(payload).eventId;
    return event.wait().then(resultOf);
  }
}

function resultOf(list: ResultList): Result<unknown, unknown> {
  return release(list.first());
}

class ToItsCollector extends Router {
  select(payload: Payload): readonly AnyCollector[] {
    const collector = this.collectors.get(assignmentOf(payload).key);
    return collector === undefined ? [] : [collector];
  }
}

const JOBS: TracedTerms = {
  engine: 'bullmq',
  attemptOf: (inner, payload) => jobTaskOf(inner as PolicyTask, payload),
  resultOf: release,
};

function processorOfJobs(key: string, processor: Processor): Processor {
  return (payload, context, inner) => {
    const attempt = jobTaskOf(inner as PolicyTask, payload);
    attempt.begin();
    try {
      const returned: unknown = processor(payload, context, attempt);
      const promise = promiseOf(returned);
      return promise === undefined ? hold(toResult(returned, key)) : held(key, promise);
    } catch (thrown) {
      return hold(failureOf(key, thrown));
    }
  };
}

async function held(key: string, promise: Promise<unknown>): Promise<Result<unknown, unknown>> {
  try {
    return hold(toResult(await promise, key));
  } catch (thrown) {
    return hold(failureOf(key, thrown));
  }
}

/** What users failed with: the cause of a ProcessorError, anything else itself. */
export function reasonOf(error: unknown): unknown {
  return error instanceof ProcessorError ? error.cause : error;
}
