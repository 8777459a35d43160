import {
  Collector,
  CollectorQueue,
  type EventPublisher,
  ok,
  Payload,
  type Result,
  type SendOptions,
} from 'collector-queue';
import { createTestKit, ManualClock } from 'collector-queue/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

/** What is sent: how often it fails, in which way it is worked on, and what it makes its processor send. */
interface Job {
  readonly name: string;
  readonly fails: number;
  readonly way: 'sync' | 'async' | 'hangs';
  readonly children: number;
  readonly keys: readonly string[];
  readonly options: SendOptions;
}

type Step = { readonly send: Omit<Job, 'name'> } | { readonly advance: number };

const KEYS = ['plain', 'retried', 'late', 'locked'] as const;

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      send: fc.record({
        fails: fc.nat(3),
        way: fc.constantFrom('sync' as const, 'async' as const, 'hangs' as const),
        children: fc.nat(2),
        keys: fc.subarray([...KEYS], { minLength: 1 }),
        options: fc.record(
          { delay: fc.nat(200), retry: fc.record({ attempts: fc.integer({ min: 1, max: 3 }), base: fc.constant(10) }) },
          { requiredKeys: [] },
        ),
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ advance: fc.nat(100) }) },
);

/** What became of each send, by its name: the results of its collectors, and how many attempts each took. */
type Outcome = Record<string, { results: string[]; attempts: Record<string, number> }>;

/** A little service, and a way to find out what became of what was sent to it. */
function service() {
  const outcome: Outcome = {};
  const waits: Promise<void>[] = [];
  let publisher: EventPublisher | undefined;

  function send(job: Job): void {
    const entry = { results: [] as string[], attempts: {} as Record<string, number> };
    outcome[job.name] = entry;
    const event = (publisher as EventPublisher).send(new Payload(job, { keys: job.keys }), job.options);
    waits.push(
      event.wait().then((list) => {
        entry.results = list.keys().map((key) => `${key}: ${described(list.get(key) as Result<unknown, unknown>)}`);
      }),
    );
  }

  const collectors = KEYS.map((key) => {
    const options = {
      plain: {},
      retried: { retry: { attempts: 2, base: 20, cap: 40 } },
      late: { delay: 30 },
      locked: { lock: { name: 'lock', delay: 7 } },
    }[key];
    return new Collector(
      key,
      ({ value: job }: Payload<Job>, _, { number, signal }) => {
        (outcome[job.name] as Outcome[string]).attempts[key] = number;
        if (number === 1) {
          for (let at = 0; at < job.children; at++) {
            send({ ...job, name: `${job.name}.${key}${at}`, children: 0, keys: ['plain'] });
          }
        }
        if (number <= job.fails) throw new Error(`attempt ${number}`);
        if (job.way === 'sync') return ok(job.name);
        if (job.way === 'async') return Promise.resolve().then(() => job.name);
        return new Promise<string>((resolve) => signal.addEventListener('abort', () => resolve('too late')));
      },
      { timeout: 50, ...options },
    );
  });

  return {
    collectors,
    start: (by: EventPublisher) => {
      publisher = by;
    },
    send,
    outcome: async () => {
      await Promise.all(waits);
      return outcome;
    },
  };
}

function described(result: Result<unknown, unknown>): string {
  return result.isOk() ? `Ok ${result.value}` : `Err ${(result.error as { code: string }).code}`;
}

/** Each run moves two clocks through many timers; on a busy machine that takes a while. */
const LIMIT = 120_000;

test(
  'a kit that runs all settles all, with the results that a queue has that is not inline',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepArbitrary, { maxLength: 8 }),
        fc.constantFrom(1, 2, 1000),
        fc.boolean(),
        async (steps, maxConsumers, inline) => {
          const tested = service();
          const kit = await createTestKit(tested.collectors, { inline, queue: { maxConsumers } });
          tested.start(kit.publisher);

          const plain = service();
          const clock = new ManualClock();
          const queue = new CollectorQueue(plain.collectors, { maxConsumers, clock });
          await queue.initQueue();
          plain.start(queue.getPublisher());

          for (const [at, step] of steps.entries()) {
            if ('send' in step) {
              tested.send({ ...step.send, name: `${at}` });
              plain.send({ ...step.send, name: `${at}` });
            } else {
              await kit.advance(step.advance);
              await clock.advance(step.advance);
            }
          }
          await kit.runAll({ patience: 0 });
          const metrics = kit.queue.getMetrics();
          expect(metrics.settled).toBe(metrics.accepted);
          expect(kit.clock.nextDue).toBeUndefined();
          await kit.settled({ timeout: 0 });
          await kit.close();

          await clock.advance(20_000);
          expect(await tested.outcome()).toEqual(await plain.outcome());
          await queue.shutDownQueue();
        },
      ),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  },
  LIMIT,
);
