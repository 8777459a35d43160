import type { EmitterEvent } from 'collector-queue/emitter';
import { HttpEmitter, type HttpEmitterOptions } from 'collector-queue/http';
import { type EventStore, MemoryEventStore } from 'collector-queue/store';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ManualClock, settlePromises } from '../../src/testing/manual-clock.ts';
import { event, idsOf } from './scene.ts';
import { eventsOf } from './server.ts';
import { SlowStore } from './stores.ts';

/** What a server does with a request: answers, at once or when it is told to, breaks the connection, or stalls. */
type Plan = { readonly status: number; readonly held: boolean; readonly retryAfter: string | null } | 'reset' | 'stall';

type Step =
  | { readonly do: 'input' | 'store' | 'deliver'; readonly count: number }
  | { readonly do: 'flush' | 'answer' | 'reopen' | 'turn' }
  | { readonly do: 'advance'; readonly time: number };

interface Setup {
  readonly options: HttpEmitterOptions;
  readonly given: 'none' | 'memory' | 'slow';
  readonly letterFails: readonly boolean[];
}

const plans: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      status: fc.constantFrom(200, 200, 204, 301, 400, 413, 413, 422, 429, 500, 503),
      held: fc.boolean(),
      retryAfter: fc.constantFrom(null, null, '1', '-1', 'junk', '7200'),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Plan>('reset') },
  { weight: 1, arbitrary: fc.constant<Plan>('stall') },
);

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('input', 'store', 'deliver'), count: fc.integer({ min: 1, max: 7 }) }),
  fc.record({ do: fc.constantFrom('flush', 'answer', 'answer', 'turn', 'reopen') }),
  fc.record({ do: fc.constant('advance'), time: fc.constantFrom(0, 1, 100, 1_000, 5_000, 40_000, 4_000_000) }),
) as fc.Arbitrary<Step>;

const setups: fc.Arbitrary<Setup> = fc.record({
  options: fc.record({
    method: fc.constantFrom('post', 'get'),
    batchSize: fc.integer({ min: 1, max: 6 }),
    byteLimit: fc.constantFrom(1, 200, 300, 450, Number.POSITIVE_INFINITY),
    concurrency: fc.constantFrom(1, 1, 2, 3),
    maxRetryDelay: fc.constantFrom(0, 1_000, 60_000),
    flushInterval: fc.constantFrom<(number | false)[]>(false, 500),
    bufferCapacity: fc.constantFrom(3, 10, 1_000),
  }) as fc.Arbitrary<HttpEmitterOptions>,
  given: fc.constantFrom('none', 'none', 'memory', 'slow'),
  letterFails: fc.array(fc.boolean(), { maxLength: 6 }),
});

/** An emitter, a server, and what became of each event. */
class System {
  readonly clock = new ManualClock(0, 1_700_000_000_000);
  readonly accepted: string[] = [];
  /** By the server. It may have taken what the emitter could not wait for any more. */
  readonly taken: Set<string> = new Set();
  /** As far as the emitter knows. */
  readonly delivered: string[] = [];
  readonly dead: string[] = [];
  readonly outcomes: Map<string, boolean> = new Map();
  readonly emitter: HttpEmitter;
  readonly store: EventStore | undefined;
  readonly #plans: Plan[];
  readonly #fails: boolean[];
  readonly #work: Promise<unknown>[] = [];
  readonly #held: (() => void)[] = [];
  #lastId = 0;

  constructor({ options, given, letterFails }: Setup, plans: readonly Plan[], overflow: boolean) {
    this.#plans = [...plans];
    this.#fails = [...letterFails];
    this.store = storeOf(given);
    const own = { overflow: overflow ? 'dropOldest' : 'dropNewest' } as const;
    this.emitter = new HttpEmitter('http://far.test', {
      ...options,
      ...(this.store === undefined ? own : { eventStore: this.store }),
      clock: this.clock,
      fetch: (url, init) => this.#fetch(String(url), init ?? {}),
      deadLetter: (events, reason) => this.#bury(events, reason),
      onSuccess: (events) => this.delivered.push(...(idsOf(events) as string[])),
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'input':
      case 'store':
      case 'deliver':
        for (let count = 0; count < step.count; count++) this.#offer(step.do);
        break;
      case 'flush':
        this.#work.push(this.emitter.flush());
        break;
      case 'answer':
        this.#held.shift()?.();
        break;
      case 'reopen':
        if (this.store !== undefined) {
          await this.end();
          await this.emitter.open();
        }
        break;
      case 'advance':
        await this.clock.advance(step.time);
        break;
      case 'turn':
        await this.clock.turn();
    }
  }

  /** Closes; what was given up is where it was, or with the dead letter. */
  async end(): Promise<void> {
    const closing = this.emitter.close({ timeout: 0 });
    await this.clock.advance(100_000);
    await closing;
    await settlePromises();
    this.#held.splice(0);
    await Promise.all(this.#work.splice(0));
  }

  async stored(): Promise<string[]> {
    const events = (await this.store?.take({ count: 100_000 })) ?? [];
    return idsOf(events.map((one) => one.event)) as string[];
  }

  #offer(how: 'input' | 'store' | 'deliver'): void {
    const id = String(++this.#lastId);
    const given = event(id);
    if (how === 'input') {
      if (this.emitter.input(given)) this.accepted.push(id);
      return;
    }
    if (how === 'store') {
      this.#work.push(this.emitter.store(given).then((stored) => stored.isOk() && this.accepted.push(id)));
      return;
    }
    const delivering = this.emitter.deliver(given).then((outcome) => {
      this.outcomes.set(id, outcome.isOk());
    });
    this.#work.push(delivering);
  }

  async #fetch(url: string, { method = 'GET', body, signal }: RequestInit): Promise<Response> {
    const text = typeof body === 'string' ? body : '';
    const batch = eventsOf({ method, url, body: Buffer.from(text) }).map(({ eid = '' }) => eid);
    const plan = this.#plans.shift() ?? { status: 200, held: false, retryAfter: null };
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
      if (plan === 'reset') reject(new Error('ECONNRESET'));
      else if (plan !== 'stall' && plan.held) this.#held.push(resolve);
      else if (plan !== 'stall') resolve();
    });
    const { status, retryAfter } = plan as Exclude<Plan, string>;
    if (status < 300) for (const id of batch) this.taken.add(id);
    return new Response(null, { status, headers: retryAfter === null ? {} : { 'retry-after': retryAfter } });
  }

  #bury(events: readonly EmitterEvent[], reason: Error & { code?: string }): void {
    // Who cannot try again is not failed: then an event would be lost.
    if (reason.code === 'CQ_HTTP_STATUS' && this.#fails.shift() === true) throw new Error('the dead letter is full');
    this.dead.push(...(idsOf(events) as string[]));
  }
}

function storeOf(given: Setup['given']): EventStore | undefined {
  if (given === 'none') return undefined;
  if (given === 'memory') return new MemoryEventStore();
  return new SlowStore(async (add) => {
    await settlePromises();
    return add();
  });
}

test('whatever the server does, each event that was taken is delivered, with the dead letter, or stored: once', async () => {
  await fc.assert(
    fc.asyncProperty(
      setups,
      fc.boolean(),
      fc.array(plans, { maxLength: 30 }),
      fc.array(steps, { minLength: 1, maxLength: 30 }),
      async (setup, overflow, answers, sequence) => {
        const system = new System(setup, answers, overflow);
        for (const step of sequence) await system.take(step);
        await system.end();
        const { accepted, taken, delivered, dead, outcomes, clock, emitter } = system;
        const stored = await system.stored();
        const told = [...outcomes].filter(([, isOk]) => isOk).map(([id]) => id);
        const all = [...delivered, ...dead, ...stored];
        expect(new Set(all).size, 'each in one place').toBe(all.length);
        expect(all).toEqual(expect.arrayContaining(accepted));
        expect([...taken]).toEqual(expect.arrayContaining(delivered));
        expect(delivered, 'deliver tells the truth').toEqual(expect.arrayContaining(told));
        // An event in a store that was given outlives the emitter, whose deliver knows no more of it.
        const untold = setup.given === 'none' ? [...outcomes.keys()].filter((id) => !told.includes(id)) : [];
        expect(delivered.filter((id) => untold.includes(id))).toEqual([]);
        if (setup.options.concurrency === 1) {
          expect(delivered).toEqual(delivered.toSorted((a, b) => Number(a) - Number(b)));
        }
        const metrics = emitter.getMetrics();
        const { sent, deadLettered, dropped } = metrics;
        expect(sent).toBe(delivered.length);
        expect(deadLettered + dropped).toBe(dead.length);
        expect(metrics.accepted).toBe(sent + deadLettered + dropped + stored.length);
        expect(metrics.inFlight).toBe(0);
        expect(clock.pendingTimers).toBe(0);
      },
    ),
    { numRuns: Number(process.env.FC_RUNS) },
  );
}, 60_000);

test('once the server recovers, everything that is left is delivered', async () => {
  await fc.assert(
    fc.asyncProperty(
      setups,
      fc.array(plans, { maxLength: 20 }),
      fc.array(steps, { minLength: 1, maxLength: 20 }),
      async (setup, answers, sequence) => {
        const system = new System(setup, answers, false);
        for (const step of sequence) await system.take(step);
        for (let round = 0; round < 25; round++) {
          // Without flushInterval a batch that never fills would stay.
          await system.take({ do: 'flush' });
          await system.take({ do: 'answer' });
          await system.clock.advance(4_000_000);
        }
        const { size, inFlight, accepted, sent, deadLettered } = system.emitter.getMetrics();
        expect({ size, inFlight }).toEqual({ size: 0, inFlight: 0 });
        expect(accepted).toBe(sent + deadLettered);
        await system.end();
      },
    ),
    { numRuns: Number(process.env.FC_RUNS) },
  );
}, 60_000);
