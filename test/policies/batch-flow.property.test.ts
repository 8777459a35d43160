import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type BatchOrder,
  type BatchSetup,
  BatchSystem,
  type CallEnd,
  ENOUGH,
  type ItemOutcome,
} from './batch-system.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

const maybe = <T>(...values: T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values);

const hindered: fc.Arbitrary<BatchSetup> = fc.record({
  maxConsumers: fc.constantFrom(1, 2, ENOUGH, ENOUGH),
  maxParked: fc.constantFrom(ENOUGH, ENOUGH, ENOUGH, 2),
  maxCount: fc.integer({ min: 1, max: 4 }),
  maxWait: fc.constantFrom(0, 10, 50),
  grouped: fc.boolean(),
  partitioned: fc.boolean(),
  concurrency: maybe(1, 2),
  rate: fc.option(fc.record({ limit: fc.integer({ min: 1, max: 3 }), interval: fc.constantFrom(20, 100) }), {
    nil: undefined,
  }),
  attempts: fc.constantFrom(1, 2, 3),
  timeout: maybe(30, 90),
  ttl: maybe(30, 70),
  lock: fc.constantFrom(false, false, true),
  sync: fc.constantFrom(false, false, false, true),
});

/** Nothing but company is waited for. */
const FREE = {
  maxConsumers: ENOUGH,
  maxParked: ENOUGH,
  partitioned: false,
  concurrency: undefined,
  rate: undefined,
} as const;
const free = hindered.map((setup) => ({ ...setup, ...FREE, lock: false }));
const setups = fc.oneof({ weight: 3, arbitrary: hindered }, { weight: 1, arbitrary: free });

const order: fc.Arbitrary<BatchOrder> = fc.record({
  partition: fc.constantFrom('a', 'a', 'b', 'c', undefined),
  group: fc.constantFrom('x', 'x', 'y'),
  outcomes: fc.array(fc.constantFrom<ItemOutcome>('ok', 'ok', 'err', 'later'), { maxLength: 3 }),
});

type Step =
  | { readonly what: 'send'; readonly orders: readonly BatchOrder[] }
  | { readonly what: 'end'; readonly which: number; readonly how: CallEnd }
  | { readonly what: 'cancel'; readonly which: number }
  | { readonly what: 'revoke' | 'restore' | 'pause' | 'resume' }
  | { readonly what: 'wait'; readonly time: number };

const which = fc.nat(50);
const how = fc.constantFrom<CallEnd>('items', 'items', 'items', 'throw', 'short');
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant('send' as const), orders: fc.array(order, { maxLength: 5 }) }),
  },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('end' as const), which, how }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('cancel' as const), which }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('revoke', 'restore', 'restore', 'pause', 'resume') }) },
  {
    weight: 5,
    arbitrary: fc.record({ what: fc.constant('wait' as const), time: fc.constantFrom(1, 5, 10, 14, 40, 100) }),
  },
);
const bursts = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 25 });

async function take(system: BatchSystem, one: Step): Promise<void> {
  const { queue, going } = system;
  switch (one.what) {
    case 'send':
      for (const each of one.orders) system.send(each);
      return;
    case 'end':
      going[one.which % Math.max(1, going.length)]?.end(one.how);
      return;
    case 'cancel':
      system.cancel(one.which);
      return;
    case 'revoke':
    case 'restore':
      queue[one.what]('c');
      return;
    case 'pause':
    case 'resume':
      system.resumedAt = one.what === 'pause' ? Number.POSITIVE_INFINITY : system.clock.now();
      queue[one.what]();
      return;
    case 'wait':
      await system.clock.advance(one.time);
  }
}

/** Lets everything end, until nothing is left. */
async function finishAll(system: BatchSystem): Promise<void> {
  for (let rounds = 0; system.open.length > 0 || system.going.length > 0; rounds++) {
    if (rounds > 1_000) throw new Error('it does not come to an end');
    for (const call of system.going) call.end('items');
    await system.clock.advance(rounds % 2 === 0 ? 0 : 25);
  }
}

type End = (system: BatchSystem) => Promise<void>;

const quietly: End = async (system) => {
  system.queue.resume();
  system.queue.restore('c');
  await finishAll(system);
  expect(system.queue.getMetrics()).toMatchObject({ qsize: 0, inFlight: 0, parked: 0, busy: 0, abandoned: 0 });
  await system.queue.shutDownQueue();
};

const draining: End = async (system) => {
  const shutdown = system.queue.shutDownQueue({ timeout: 1_000_000, scheduled: 'wait' });
  await system.clock.advance(0);
  // Nothing waits for company any more, although it was paused until now.
  system.resumedAt = 0;
  system.checkPrompt(Number.NEGATIVE_INFINITY);
  await finishAll(system);
  await shutdown;
};

/** What is left settles all the same; work that is left behind changes nothing any more. */
const givingUp =
  (timeout: number): End =>
  async (system) => {
    const { clock, queue } = system;
    const shutdown = queue.shutDownQueue(timeout === 0 ? { drain: false, timeout } : { timeout });
    await clock.advance(timeout);
    await shutdown;
    await clock.turn();
    expect(system.open).toEqual([]);
    const before = system.sents.map(({ handle }) => handle?.getResult());
    for (const call of system.going) call.end('items');
    await clock.turn();
    expect(system.sents.map(({ handle }) => handle?.getResult())).toEqual(before);
  };

function holds(end: End): Promise<void> {
  return fc.assert(
    fc.asyncProperty(setups, bursts, async (setup, taken) => {
      const system = new BatchSystem(setup);
      await system.queue.initQueue();
      for (const burst of taken) {
        for (const one of burst) await take(system, one);
        await system.clock.advance(0);
        system.checkPrompt();
        system.checkExpiry();
        system.checkTimeLimit();
        expect(system.violations).toEqual([]);
      }
      await end(system);
      await system.clock.turn();
      system.checkSettled();
      expect(system.violations).toEqual([]);
      const { accepted, settled, parked } = system.queue.getMetrics();
      expect([settled, parked]).toEqual([accepted, 0]);
      expect([system.clock.pendingTimers, system.clock.pendingTurns]).toEqual([0, 0]);
    }),
    { numRuns },
  );
}

describe('payloads in batches, whatever is sent, cancelled, revoked, given up or tried again,', {
  timeout: 300_000,
}, () => {
  test('settle once, by the one call that succeeded; keys, bounds and rates hold, and nothing stays parked', () =>
    holds(quietly));

  test('do so in a shutdown that drains', () => holds(draining));

  test('do so in one that runs into its limit, and in one that does not drain', async () => {
    await holds(givingUp(30));
    await holds(givingUp(0));
  });
});
