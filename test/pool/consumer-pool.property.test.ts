import { strictEqual as equal, ok } from 'node:assert';
import fc from 'fast-check';
import { describe, test } from 'vitest';
import type { Buffer } from '../../src/pool/buffer.ts';
import { FifoBuffer, LifoBuffer } from '../../src/pool/linked-buffer.ts';
import { PriorityBuffer } from '../../src/pool/priority-buffer.ts';
import { endsAtOnce, goesOn, type Job, PoolScene, type SceneOptions } from './scene.ts';

interface Order {
  readonly name: string;
  make(): Buffer<Job>;
  next(waiting: readonly Job[]): Job | undefined;
}

const orders: readonly Order[] = [
  { name: 'FIFO', make: () => new FifoBuffer(), next: (waiting) => waiting[0] },
  { name: 'LIFO', make: () => new LifoBuffer(), next: (waiting) => waiting.at(-1) },
  {
    name: 'PRIORITY',
    make: () => new PriorityBuffer(true),
    next: (waiting) =>
      waiting.reduce<Job | undefined>(
        (first, job) => (first === undefined || job.priority < first.priority ? job : first),
        undefined,
      ),
  },
];

/** A pool beside arrays that say what is right. */
class Model {
  readonly scene: PoolScene;
  readonly #order: Order;
  readonly #limits: { readonly minConsumers: number; readonly maxConsumers: number };
  #waiting: Job[] = [];
  readonly #returned: Job[] = [];
  readonly #jobs: Job[] = [];
  #paused = false;

  constructor(order: Order, limits: { minConsumers: number; maxConsumers: number; idleTimeout: number }) {
    const options: SceneOptions = { ...limits, buffer: order.make() };
    this.scene = new PoolScene(options);
    this.#order = order;
    this.#limits = limits;
    this.scene.onClaim = (job) => this.#onClaim(job);
  }

  /** Offers so many, each of which takes a time of the thread and then ends at once, in a promise, or by hand. */
  offer(count: number, ending: 'at once' | 'soon' | 'by hand', takes: number, priority: number): void {
    for (let i = 0; i < count; i++) {
      const job = this.#job(ending, takes, priority + (i % 3));
      this.#waiting.push(job);
      this.scene.accepted++;
      this.scene.pool.offer(job);
    }
  }

  giveBack(count: number): void {
    for (let i = 0; i < count; i++) {
      const job = this.#job('by hand', 0, 0);
      this.#returned.push(job);
      this.scene.pool.giveBack(job);
    }
  }

  end(which: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const { running } = this.scene;
      if (running.length > 0) running[which % running.length]?.end();
    }
  }

  withdraw(which: number): void {
    if (this.#waiting.length === 0) return;
    const [job] = this.#waiting.splice(which % this.#waiting.length, 1);
    this.scene.pool.withdraw(job as Job);
  }

  drop(): void {
    const dropped = this.scene.pool.takeVictim();
    equal(dropped === undefined, this.#waiting.length === 0);
    this.#waiting = this.#waiting.filter((job) => job !== dropped);
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.scene.pool.pause();
    else this.scene.pool.resume();
  }

  /** To be asked after timers, I/O and promises had their turn. */
  check(): void {
    const { pool } = this.scene;
    const { minConsumers, maxConsumers } = this.#limits;
    equal(pool.waiting, this.#waiting.length);
    equal(pool.busy, this.scene.running.length);
    ok(pool.busy <= pool.consumers, `${pool.busy} busy of ${pool.consumers}`);
    ok(minConsumers <= pool.consumers && pool.consumers <= maxConsumers, `${pool.consumers} consumers`);
    const pending = this.#waiting.length + this.#returned.length;
    if (!this.#paused && pending > 0) equal(pool.busy, maxConsumers, 'waits beside an idle consumer');
    equal(pool.unstarted().length, this.#returned.length);
    const reported = this.scene.scalings.at(-1)?.[1] ?? minConsumers;
    equal(reported, pool.consumers, 'every change of the number is told');
    if (this.#paused) equal(pool.claimable, 0);
    else if (pending === 0) equal(pool.claimable, maxConsumers - pool.busy);
  }

  /** Ends all, and waits until the pool rests. */
  async finish(): Promise<void> {
    const { pool, clock } = this.scene;
    this.pause(false);
    await clock.turn();
    while (this.scene.running.length > 0) {
      this.end(0, this.scene.running.length);
      await clock.turn();
      this.check();
    }
    equal(pool.busy, 0);
    equal(pool.waiting, 0);
    ok(this.#jobs.every(({ state }) => state !== 'claimed' && state !== 'running'));
    await clock.advance(200_000);
    equal(pool.consumers, this.#limits.minConsumers);
    equal(clock.pendingTimers, 0);
    pool.stop();
  }

  #job(ending: 'at once' | 'soon' | 'by hand', takes: number, priority: number): Job {
    const { scene } = this;
    const job = scene.job(
      (self) => {
        scene.clock.consume(takes);
        if (ending === 'soon') void Promise.resolve().then(() => self.state === 'running' && self.end());
        return ending === 'at once' ? endsAtOnce() : goesOn();
      },
      `job ${this.#jobs.length}`,
      priority,
    );
    this.#jobs.push(job);
    return job;
  }

  #onClaim(job: Job): void {
    ok(this.scene.pool.busy <= this.#limits.maxConsumers);
    const expected = this.#returned.length > 0 ? this.#returned.shift() : this.#order.next(this.#waiting);
    equal(job.name, expected?.name);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== job);
  }
}

type Command = (model: Model) => void | Promise<void>;

/** A command, and how it prints. */
function command<A>(
  arbitrary: fc.Arbitrary<A>,
  name: string,
  run: (model: Model, argument: A) => void | Promise<void>,
) {
  return arbitrary.map((argument): Command => {
    const bound: Command = (model) => run(model, argument);
    return Object.assign(bound, { [fc.toStringMethod]: () => `${name}(${JSON.stringify(argument)})` });
  });
}

const offer = fc.record({
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 25 })),
  ending: fc.constantFrom('at once' as const, 'soon' as const, 'by hand' as const),
  takes: fc.constantFrom(0, 0, 0.2, 1, 7, 30),
  priority: fc.integer({ min: 0, max: 3 }),
});

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: command(offer, 'offer', (model, { count, ending, takes, priority }) =>
        model.offer(count, ending, takes, priority),
      ),
    },
    {
      weight: 4,
      arbitrary: command(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 20 })), 'end', (model, [which, count]) =>
        model.end(which, count),
      ),
    },
    { weight: 1, arbitrary: command(fc.integer({ min: 1, max: 5 }), 'giveBack', (model, n) => model.giveBack(n)) },
    { weight: 1, arbitrary: command(fc.nat(), 'withdraw', (model, which) => model.withdraw(which)) },
    { weight: 1, arbitrary: command(fc.constant(undefined), 'drop', (model) => model.drop()) },
    { weight: 1, arbitrary: command(fc.boolean(), 'pause', (model, paused) => model.pause(paused)) },
    {
      weight: 2,
      arbitrary: command(fc.integer({ min: 0, max: 3_000 }), 'advance', (model, ms) => model.scene.clock.advance(ms)),
    },
  ),
  { maxLength: 40, size: 'max' },
);

const limits = fc
  .record({
    minConsumers: fc.integer({ min: 1, max: 4 }),
    more: fc.integer({ min: 0, max: 20 }),
    idleTimeout: fc.constantFrom(0, 50, 1_000),
  })
  .map(({ minConsumers, more, idleTimeout }) => ({ minConsumers, maxConsumers: minConsumers + more, idleTimeout }));

describe.each(orders)('a pool of consumers over a $name buffer', (order) => {
  test('keeps its limits and its order, and leaves nothing waiting beside an idle consumer', async () => {
    await fc.assert(
      fc.asyncProperty(limits, commands, fc.boolean(), async (limit, all, inOneTurn) => {
        const model = new Model(order, limit);
        for (const run of all) {
          await run(model);
          if (inOneTurn) continue;
          await model.scene.clock.turn();
          model.check();
        }
        await model.scene.clock.turn();
        model.check();
        await model.finish();
      }),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  });
});
