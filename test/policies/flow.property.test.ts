import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FlowOrder, type FlowOutcome, type FlowSetup, FlowSystem } from './flow-system.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

const maybe = <T>(...values: T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, ...values);
const key = fc.constantFrom('a', 'a', 'b', 'c', undefined);
const outcome = fc.constantFrom<FlowOutcome>('ok', 'ok', 'err', 'later');

const setups: fc.Arbitrary<FlowSetup> = fc.record({
  maxConsumers: fc.constantFrom(1, 2, 50, 50),
  maxParked: fc.constantFrom(1_000, 1_000, 1_000, 2),
  concurrency: maybe(1, 2, 3),
  rate: fc.option(
    fc.record({ limit: fc.integer({ min: 1, max: 3 }), interval: fc.constantFrom(20, 100), keyed: fc.boolean() }),
    { nil: undefined },
  ),
  partitioned: fc.boolean(),
  attempts: fc.constantFrom(1, 2, 3),
  timeout: maybe(30, 90),
  ttl: maybe(70),
  delay: fc.constantFrom(undefined, undefined, undefined, 25),
  lock: fc.constantFrom(false, false, true),
  gatekeeper: fc.constantFrom(false, false, true),
});

const order: fc.Arbitrary<FlowOrder> = fc.record({
  partition: key,
  own: fc.constantFrom(false, false, true),
  rateKey: key,
  ttl: fc.constantFrom(undefined, undefined, undefined, 15, 60),
  both: fc.boolean(),
  stopped: fc.boolean(),
  sync: fc.array(fc.option(outcome, { nil: undefined }), { maxLength: 3 }),
});

type Step =
  | { readonly what: 'send'; readonly orders: readonly FlowOrder[] }
  | { readonly what: 'end'; readonly which: number; readonly how: FlowOutcome }
  | { readonly what: 'cancel'; readonly which: number }
  | { readonly what: 'revoke' | 'restore' | 'abort' }
  | { readonly what: 'wait'; readonly time: number };

const which = fc.nat(50);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant('send' as const), orders: fc.array(order, { maxLength: 4 }) }),
  },
  { weight: 6, arbitrary: fc.record({ what: fc.constant('end' as const), which, how: outcome }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('cancel' as const), which }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('revoke', 'restore', 'restore', 'restore', 'abort') }) },
  {
    weight: 4,
    arbitrary: fc.record({ what: fc.constant('wait' as const), time: fc.constantFrom(1, 5, 14, 20, 40, 100) }),
  },
);
const bursts = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 25 });

async function take(system: FlowSystem, one: Step): Promise<void> {
  const { queue, sents, works } = system;
  switch (one.what) {
    case 'send':
      for (const each of one.orders) system.send(each);
      return;
    case 'end':
      works[one.which % Math.max(1, works.length)]?.end(one.how);
      return;
    case 'cancel':
      sents[one.which % Math.max(1, sents.length)]?.handle?.cancel();
      return;
    case 'revoke':
      queue.revoke('c');
      return;
    case 'restore':
      queue.restore('c');
      return;
    case 'abort':
      system.controller.abort();
      return;
    case 'wait':
      await system.clock.advance(one.time);
  }
}

/** Lets everything end, until nothing is left. */
async function finishAll(system: FlowSystem): Promise<void> {
  for (let rounds = 0; system.sents.some((sent) => system.isOpen(sent)) || system.works.length > 0; rounds++) {
    if (rounds > 1_000) throw new Error('it does not come to an end');
    for (const { end } of system.works) end('ok');
    await system.clock.advance(rounds % 2 === 0 ? 0 : 25);
    await system.check();
  }
}

const PROBE: FlowOrder = {
  partition: undefined,
  own: false,
  rateKey: undefined,
  ttl: undefined,
  both: false,
  stopped: false,
  sync: [],
};

/** Nothing is held by what has gone: as many begin at once as the options allow, of every key. */
async function expectNothingHeld(system: FlowSystem): Promise<void> {
  const { setup, queue, clock } = system;
  queue.restore('c');
  if (system.controller.signal.aborted) return;
  // Three tasks that wait for their delay would be one too many.
  if (setup.delay !== undefined && setup.maxParked < 3) return;
  const most = Math.min(setup.concurrency ?? 3, setup.lock ? 1 : 3, setup.maxConsumers);
  // Long enough for every window to be empty.
  await clock.advance(1_000);
  for (const one of ['a', 'b', 'c']) system.send({ ...PROBE, partition: one, rateKey: one });
  await clock.advance(setup.delay ?? 0);
  const allowed = setup.rate?.keyed === false ? Math.min(most, setup.rate.limit) : most;
  expect(system.works.length).toBe(allowed);
  await finishAll(system);
}

type End = (system: FlowSystem) => Promise<void>;

const quietly: End = async (system) => {
  await finishAll(system);
  await expectNothingHeld(system);
  let removed = false;
  void system.queue.removeCollector('c').then(() => {
    removed = true;
  });
  await system.clock.turn();
  expect(removed).toBe(true);
  await system.queue.shutDownQueue();
};

const draining: End = async (system) => {
  const shutdown = system.queue.shutDownQueue({ timeout: 1_000_000, scheduled: 'wait' });
  await finishAll(system);
  await shutdown;
};

/** Work that is left behind ends in the next run, which does not notice. */
const givingUp =
  (timeout: number): End =>
  async (system) => {
    const { clock, queue } = system;
    const shutdown = queue.shutDownQueue(timeout === 0 ? { drain: false, timeout } : { timeout });
    await clock.advance(timeout);
    await shutdown;
    expect(system.sents.filter((sent) => sent.handle?.status !== 'settled')).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    await system.restart();
    const left = [...system.works];
    system.works = [];
    for (const { end } of left) end('ok');
    await clock.turn();
    await expectNothingHeld(system);
    await queue.shutDownQueue();
  };

/** Runs random steps on a queue, checks it after each burst, and ends with what `end` does. */
function holds(end: End): Promise<void> {
  return fc.assert(
    fc.asyncProperty(setups, bursts, async (setup, taken) => {
      const system = new FlowSystem(setup);
      await system.queue.initQueue();
      for (const burst of taken) {
        for (const one of burst) await take(system, one);
        await system.check();
        system.checkBusy();
        expect(system.violations).toEqual([]);
      }
      await end(system);
      expect(system.violations).toEqual([]);
      expect([system.clock.pendingTimers, system.clock.pendingTurns]).toEqual([0, 0]);
    }),
    { numRuns },
  );
}

describe('whatever is sent, cancelled, revoked, given up or tried again,', { timeout: 300_000 }, () => {
  test('keys keep their order, bounds and rates hold, nobody waits in vain, and nothing stays held', () =>
    holds(quietly));

  test('so they do in a shutdown that drains', () => holds(draining));

  test('a shutdown that runs into its limit settles what waits, and holds nothing in the next run', () =>
    holds(givingUp(30)));

  test('so does one that does not drain', () => holds(givingUp(0)));
});
