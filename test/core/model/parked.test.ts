import { Collector, type CollectorEvent, CollectorQueue, type PolicyTask, type TaskPolicy } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

/** What a policy is to say, one verdict after the other; then it lets everything through. */
interface Verdicts {
  readonly before: boolean[];
  readonly after: boolean[];
}

/** A queue whose tasks are parked as the verdicts say, and come back when the test says so. */
class Scene {
  readonly clock: ManualClock = new ManualClock();
  readonly queue: CollectorQueue;
  readonly events: CollectorEvent[] = [];
  readonly parked: Set<PolicyTask> = new Set();
  readonly forgotten: Set<PolicyTask> = new Set();
  readonly gates: (() => void)[] = [];

  constructor(maxConsumers: number, maxParked: number, collectors: number, verdicts: Verdicts) {
    const policy: TaskPolicy = {
      before: (task) => (verdicts.before.pop() === true ? this.#park(task) : 'run'),
      after: (task) => (verdicts.after.pop() === true ? this.#park(task) : 'settle'),
      forget: (task) => {
        this.parked.delete(task);
        this.forgotten.add(task);
      },
    };
    const processor = (): unknown => new Promise<void>((resolve) => this.gates.push(resolve));
    const all = Array.from(
      { length: collectors },
      (_, at) => new Collector(`c${at}`, processor, { policies: [policy] }),
    );
    this.queue = new CollectorQueue(all, { maxConsumers, maxParked, clock: this.clock });
  }

  send(): void {
    this.events.push(this.queue.getPublisher().publish(this.events.length));
  }

  resume(which: number): void {
    const task = [...this.parked][which % Math.max(1, this.parked.size)];
    if (task === undefined) return;
    this.parked.delete(task);
    task.resume();
  }

  finish(which: number): void {
    this.gates.splice(which % Math.max(1, this.gates.length), 1)[0]?.();
  }

  /** The counts add up, events agree with them, and parked tasks hold no consumer. */
  async check(): Promise<void> {
    await this.clock.turn();
    const { accepted, qsize, inFlight, parked, settled, busy } = this.queue.getMetrics();
    const count = (status: string): number => this.events.filter((event) => event.status === status).length;
    expect({ accepted, sum: qsize + inFlight + parked + settled }).toEqual({ accepted, sum: accepted });
    expect({ qsize, inFlight, parked, settled }).toEqual({
      qsize: count('waiting'),
      inFlight: count('running'),
      parked: count('parked'),
      settled: count('settled'),
    });
    expect(busy).toBeGreaterThanOrEqual(inFlight);
  }

  /** A task that could not be parked is not: it settled as an error. */
  #park(task: PolicyTask): 'park' {
    this.parked.add(task);
    return 'park';
  }
}

type Step = { readonly what: 'send' | 'resume' | 'finish' | 'cancel' | 'pause' | 'unpause'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('send', 'send', 'resume', 'resume', 'finish', 'finish', 'cancel', 'pause', 'unpause'),
  which: fc.nat(20),
});

async function take(scene: Scene, { what, which }: Step): Promise<void> {
  switch (what) {
    case 'send':
      scene.send();
      break;
    case 'resume':
      scene.resume(which);
      break;
    case 'finish':
      scene.finish(which);
      break;
    case 'cancel':
      scene.events[which % Math.max(1, scene.events.length)]?.cancel();
      break;
    case 'pause':
      scene.queue.pause();
      break;
    case 'unpause':
      scene.queue.resume();
  }
  await scene.check();
}

const scenes = fc.record({
  maxConsumers: fc.integer({ min: 1, max: 3 }),
  maxParked: fc.constantFrom(0, 1, 100),
  collectors: fc.integer({ min: 1, max: 3 }),
  before: fc.array(fc.boolean(), { maxLength: 20 }),
  after: fc.array(fc.boolean(), { maxLength: 20 }),
});

describe('whatever is parked and resumed,', () => {
  test('2: the counts add up at every step, and a drain waits until the last has come back', { timeout: 300_000 }, () =>
    fc.assert(
      fc.asyncProperty(scenes, fc.array(step, { maxLength: 40 }), async (setup, steps) => {
        const { maxConsumers, maxParked, collectors, before, after } = setup;
        const scene = new Scene(maxConsumers, maxParked, collectors, { before: [...before], after: [...after] });
        await scene.queue.initQueue();
        for (const one of steps) await take(scene, one);
        const shutdown = scene.queue.shutDownQueue({ timeout: 60_000 });
        await scene.check();
        while (scene.events.some((event) => event.status !== 'settled') || scene.gates.length > 0) {
          scene.resume(0);
          scene.finish(0);
          await scene.check();
        }
        await shutdown;
        expect(scene.clock.pendingTimers).toBe(0);
      }),
      { numRuns },
    ),
  );

  test('1: a shutdown that gives up settles and forgets what is parked', { timeout: 300_000 }, () =>
    fc.assert(
      fc.asyncProperty(scenes, fc.array(step, { maxLength: 40 }), async (setup, steps) => {
        const { maxConsumers, collectors, before, after } = setup;
        const scene = new Scene(maxConsumers, 100, collectors, { before: [...before], after: [...after] });
        await scene.queue.initQueue();
        for (const one of steps) await take(scene, one);
        const parkedThen = [...scene.parked];
        const shutdown = scene.queue.shutDownQueue({ drain: false, timeout: 10 });
        await scene.clock.advance(10);
        await shutdown;
        await scene.check();
        expect(scene.events.every((event) => event.status === 'settled')).toBe(true);
        expect(parkedThen.every((task) => scene.forgotten.has(task))).toBe(true);
      }),
      { numRuns },
    ),
  );
});
