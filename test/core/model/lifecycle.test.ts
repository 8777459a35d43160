import { Collector, CollectorQueue, LifecycleError, QueueClosedError } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { ModelStep } from './step.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

type Fate = 'fine' | 'setup fails' | 'shutdown fails';
type Place = 'down' | 'up' | 'starting';

/** What a queue should do with its collectors' lifecycles: a log of `up` and `down`, by index. */
class Model {
  readonly log: string[] = [];
  place: Place = 'down';
  fates: Fate[];
  /** How many set-ups are done, of a start under way. */
  reached = 0;

  constructor(collectors: number) {
    this.fates = new Array(collectors).fill('fine');
  }
}

class System {
  readonly log: string[] = [];
  readonly queue: CollectorQueue;
  fates: Fate[];
  /** Lets the set-up under way go on. */
  gate: (() => void) | undefined = undefined;
  held = false;
  starting: Promise<unknown> = Promise.resolve();

  constructor(collectors: number) {
    this.fates = new Array(collectors).fill('fine');
    const all = this.fates.map((_, index) => this.#collector(index));
    this.queue = new CollectorQueue(all, { clock: new ManualClock() });
  }

  #collector(index: number): Collector {
    const setup = async (): Promise<void> => {
      if (this.held) {
        await new Promise<void>((resolve) => {
          this.gate = resolve;
        });
      }
      if (this.fates[index] === 'setup fails') throw new Error(`setup ${index}`);
      this.log.push(`up ${index}`);
    };
    const shutdown = (): void => {
      this.log.push(`down ${index}`);
      if (this.fates[index] === 'shutdown fails') throw new Error(`shutdown ${index}`);
    };
    if (index % 2 === 0) return new Collector(`c${index}`, () => index, { lifecycle: { setup, shutdown } });
    return new Collector(`c${index}`, () => index, {
      lifecycle: async function* () {
        await setup();
        try {
          yield;
        } finally {
          shutdown();
        }
      },
    });
  }
}

class Step extends ModelStep<Model, System> {
  protected async compare(model: Model, system: System): Promise<void> {
    expect(system.log).toEqual(model.log);
    expect(system.queue.consumerCount > 0).toBe(model.place === 'up');
  }
}

/** Everything from the last that is up down to the first, whatever fails on the way. */
function rollBack(model: Model, from: number): void {
  for (let index = from - 1; index >= 0; index--) model.log.push(`down ${index}`);
}

const decide = fc.tuple(fc.nat(9), fc.constantFrom<Fate>('fine', 'fine', 'setup fails', 'shutdown fails')).map(
  ([which, fate]) =>
    new Step(`fate of ${which}: ${fate}`, async (model, system) => {
      model.fates[which % model.fates.length] = fate;
      system.fates[which % system.fates.length] = fate;
    }),
);

const init = fc.integer({ min: 1, max: 3 }).map(
  (callers) =>
    new Step(
      `init by ${callers}`,
      async (model, system) => {
        const starts = Array.from({ length: callers }, () => system.queue.initQueue());
        if (model.place === 'up') {
          await Promise.all(starts);
          return;
        }
        const failing = model.fates.indexOf('setup fails');
        const reached = failing === -1 ? model.fates.length : failing;
        for (let index = 0; index < reached; index++) model.log.push(`up ${index}`);
        if (failing === -1) {
          model.place = 'up';
          await Promise.all(starts);
          return;
        }
        rollBack(model, reached);
        const causes = [`setup ${failing}`, ...shutdownFailures(model, failing)];
        for (const start of await Promise.allSettled(starts)) expectCauses(start, causes);
      },
      (model) => model.place !== 'starting',
    ),
);

const shutDown = fc.integer({ min: 1, max: 3 }).map(
  (callers) =>
    new Step(
      `shut down by ${callers}`,
      async (model, system) => {
        const wasUp = model.place === 'up';
        if (wasUp) rollBack(model, model.fates.length);
        model.place = 'down';
        const causes = wasUp ? shutdownFailures(model, model.fates.length) : undefined;
        const ends = await Promise.allSettled(Array.from({ length: callers }, () => system.queue.shutDownQueue()));
        if (causes === undefined) return;
        for (const end of ends) {
          if (causes.length > 0) expectCauses(end, causes);
          else expect(end.status).toBe('fulfilled');
        }
      },
      (model) => model.place !== 'starting',
    ),
);

/** A shutdown that comes while the first collector is being set up: that one is finished, then undone. */
const shutDownWhileStarting = fc.constant(
  new Step(
    'shut down while starting',
    async (model, system) => {
      system.held = true;
      const start = system.queue.initQueue();
      const stop = system.queue.shutDownQueue();
      system.held = false;
      system.gate?.();
      const [end, stopped] = await Promise.allSettled([start, stop]);
      const stuck = model.fates[0] === 'shutdown fails';
      if (stuck) expectCauses(stopped, ['shutdown 0']);
      else expect(stopped.status).toBe('fulfilled');
      if (model.fates[0] === 'setup fails') {
        expectCauses(end, ['setup 0']);
        return;
      }
      model.log.push('up 0', 'down 0');
      if (stuck) expectCauses(end, ['shutdown 0']);
      else expect(end.status === 'rejected' && end.reason).toBeInstanceOf(QueueClosedError);
    },
    (model) => model.place === 'down',
  ),
);

function shutdownFailures(model: Model, from: number): string[] {
  const failures = model.fates
    .slice(0, from)
    .flatMap((fate, index) => (fate === 'shutdown fails' ? [`shutdown ${index}`] : []));
  return failures.reverse();
}

function expectCauses(end: PromiseSettledResult<unknown>, causes: readonly string[]): void {
  const error = end.status === 'rejected' ? end.reason : undefined;
  expect(error).toBeInstanceOf(LifecycleError);
  expect((error as LifecycleError).errors.map((cause) => (cause as Error).message)).toEqual(causes);
}

describe('whatever is done to a queue,', () => {
  test('8: lifecycles are set up in order, undone in reverse, every cause is kept, and init may be tried again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.commands([decide, decide, init, init, shutDown, shutDownWhileStarting], { maxCommands: 20 }),
        async (collectors, commands) => {
          const system = new System(collectors);
          const model = new Model(collectors);
          await fc.asyncModelRun(() => ({ model, real: system }), commands);
        },
      ),
      { numRuns },
    );
  }, 300_000);
});
