import { ErrorCode } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { check, listeners, same } from './policies-checks.ts';
import { successors, successorsOfPayload, TaskLog } from './policies-diagram.ts';
import type { CollectorSetup, Manner, Order, Outcome, Setup } from './policies-model.ts';
import { PolicySystem } from './policies-system.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

const outcomes: readonly Outcome[] = [
  'value',
  'err',
  'throw',
  'permanent',
  'later',
  'retryLater',
  'retryNow',
  'cancel',
];
const manners: readonly Manner[] = [
  ...(['deaf', 'deaf', 'deaf', 'heeds', 'heeds', 'sync', 'sync', 'sync', 'cancels', 'stuck'] as const),
  ...(['aborts', 'abortsSync', 'cancelsSync'] as const),
];
const maybe = <T>(...values: T[]): fc.Arbitrary<T | undefined> => fc.constantFrom(undefined, undefined, ...values);
const retry = maybe(
  { attempts: 2, base: 50, cap: 1_000 },
  { attempts: 4, base: 10, cap: 30 },
  { attempts: 1, base: 0, cap: 0 },
);

const collector: fc.Arbitrary<CollectorSetup> = fc.record({
  timeout: maybe(30, 100),
  retry,
  ttl: maybe(60, 250),
  delay: maybe(0, 25, 100),
  lock: maybe('shared' as const, 'shared' as const, 'own' as const),
  signal: fc.boolean(),
  deadLetter: fc.boolean(),
});
const plain: CollectorSetup = {
  timeout: undefined,
  retry: undefined,
  ttl: undefined,
  delay: undefined,
  lock: undefined,
  signal: false,
  deadLetter: false,
};

const setups: fc.Arbitrary<Setup> = fc.record({
  queueType: fc.constantFrom('fifo', 'lifo', 'priority'),
  maxConsumers: fc.integer({ min: 1, max: 3 }),
  maxSize: fc.constantFrom(1_000, 1_000, 0, 2),
  overflow: fc.constantFrom('reject', 'dropOldest'),
  maxParked: fc.constantFrom(100, 100, 1, 0),
  maxScheduled: fc.constantFrom(100, 100, 1),
  maxAbandoned: fc.constantFrom(100, 0, 1),
  collectors: fc.array(fc.oneof(fc.constant(plain), collector, collector), { minLength: 1, maxLength: 3 }),
  jitter: fc.constantFrom(0, 0.5, 0.9),
  listens: fc.boolean(),
  cancelsAt: maybe('started', 'timeout', 'retrying', 'locked', 'scheduled', 'parked', 'expired', 'revoked', 'finished'),
});

const anyOrder: fc.Arbitrary<Order> = fc
  .record({
    keys: fc.oneof(fc.constant(undefined), fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 3 })),
    timeout: maybe(20, 70),
    retry,
    ttl: maybe(50),
    expiresIn: maybe(45),
    delay: maybe(0, 30, 120),
    asTime: fc.boolean(),
    signal: fc.constantFrom('none', 'none', 'given', 'given', 'shared', 'fired'),
    retryIf: fc.constantFrom('says yes', 'says yes', 'says yes', 'cancels, says yes', 'cancels, says no'),
    whenReady: fc.constantFrom(false, false, true),
    manners: fc.tuple(fc.constantFrom(...manners), fc.constantFrom(...manners)),
    outcomes: fc.array(fc.constantFrom(...outcomes), { maxLength: 4 }),
  })
  .map(
    ({ timeout, retry: repeated, ttl, delay, ...order }): Order => ({
      ...order,
      options: { timeout, retry: repeated, ttl, delay },
    }),
  );
const order: fc.Arbitrary<Order> = fc.oneof(
  anyOrder,
  anyOrder.map((one): Order => ({ ...one, options: {}, expiresIn: undefined, signal: 'none', whenReady: false })),
);

/** Reaches every collector that takes anything still; a lock that nobody lets go of would keep it. */
const probe: Order = {
  keys: undefined,
  options: {},
  expiresIn: undefined,
  asTime: false,
  signal: 'none',
  retryIf: 'says yes',
  whenReady: true,
  manners: ['deaf', 'deaf'],
  outcomes: [],
};

/** One thing that is done; several of them make a burst, without anything in between. */
type Action =
  | { readonly what: 'send'; readonly order: Order }
  | { readonly what: 'finish'; readonly which: number; readonly how: Outcome }
  | { readonly what: 'revoke'; readonly which: number; readonly time: number | undefined }
  | { readonly what: 'cancel' | 'abortSent' | 'abortCollector' | 'restore'; readonly which: number }
  | { readonly what: 'pause' | 'resume' | 'clear' };

const which = fc.nat(30);
const on = (...whats: ('cancel' | 'abortSent' | 'abortCollector' | 'restore')[]): fc.Arbitrary<Action> =>
  fc.record({ what: fc.constantFrom(...whats), which });
const send: fc.Arbitrary<Action> = fc.record({ what: fc.constant('send' as const), order });
const finish: fc.Arbitrary<Action> = fc.record({
  what: fc.constant('finish' as const),
  which,
  how: fc.constantFrom(...outcomes),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: send },
  { weight: 8, arbitrary: finish },
  { weight: 3, arbitrary: on('cancel', 'abortSent', 'abortSent', 'abortCollector', 'restore') },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('revoke' as const), which, time: maybe(35) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('pause', 'resume', 'resume', 'clear') }) },
);

/** A burst, or milliseconds that pass. */
type Step = readonly Action[] | number;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.array(action, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(5, 20, 30, 50, 100, 300) },
);
const steps = fc.array(step, { minLength: 1, maxLength: 25 });

function act(system: PolicySystem, one: Action): void {
  const pick = <T>(from: readonly T[], at: number): T | undefined => from[at % Math.max(1, from.length)];
  const { sents, setup } = system;
  switch (one.what) {
    case 'send': {
      const keys = one.order.keys?.map((key) => key % setup.collectors.length);
      system.send({ ...one.order, keys: keys && [...new Set(keys)] });
      return;
    }
    case 'finish':
      pick(system.going(), one.which)?.finish?.(one.how);
      return;
    case 'cancel':
    case 'abortSent': {
      const sent = pick(sents, one.which);
      if (sent !== undefined) system[one.what](sent);
      return;
    }
    case 'abortCollector':
    case 'restore':
      system[one.what](one.which % setup.collectors.length);
      return;
    case 'revoke':
      system.revoke(one.which % setup.collectors.length, one.time && system.clock.wall() + one.time);
      return;
    case 'pause':
    case 'resume':
      system.paused = one.what === 'pause';
      if (!system.paused) system.stillPaused = false;
      system.queue[one.what]();
      return;
    case 'clear':
      system.clear();
  }
}

async function take(system: PolicySystem, taken: readonly Step[]): Promise<void> {
  for (const one of taken) {
    if (typeof one === 'number') await system.clock.advance(one);
    else for (const each of one) act(system, each);
    await check(system);
  }
}

/** Lets everything end well, until nothing is left. */
async function finishAll(system: PolicySystem): Promise<void> {
  for (let rounds = 0; system.sents.some(({ isOpen }) => isOpen) || system.going(true).length > 0; rounds++) {
    if (rounds > 200) throw new Error('it does not come to an end');
    for (const work of system.going(true)) work.finish?.('value');
    await system.clock.advance(100);
    await check(system);
  }
}

/** Ends everything early that has not settled. */
function giveUp(system: PolicySystem, code: ErrorCode): void {
  for (const sent of system.sents) system.endEarly(sent, code);
}

/** Everything has settled, and nothing stays behind. */
async function expectNothingLeft(system: PolicySystem): Promise<void> {
  await check(system);
  expect(system.sents.some(({ isOpen }) => isOpen)).toBe(false);
  for (const controller of [...system.controllers, system.shared]) same(listeners(controller), 0);
  expect([system.clock.pendingTimers, system.clock.pendingTurns]).toEqual([0, 0]);
}

type End = (system: PolicySystem) => Promise<void>;

function close(system: PolicySystem, options: Parameters<PolicySystem['queue']['shutDownQueue']>[0]): Promise<void> {
  system.paused = false;
  system.stillPaused = false;
  return system.queue.shutDownQueue(options);
}

/** Takes the collectors out first, which waits until none has a task, and sees that no lock is held. */
const quietly: End = async (system) => {
  system.paused = false;
  system.stillPaused = false;
  system.queue.resume();
  await finishAll(system);
  for (const index of system.revoked.keys()) system.restore(index);
  system.send(probe);
  await finishAll(system);
  let removed = 0;
  for (const key of system.queue.collectorKeys) void system.queue.removeCollector(key).then(() => removed++);
  await system.clock.turn();
  same(removed, system.setup.collectors.length);
  await close(system, {});
};

const draining =
  (scheduled: 'cancel' | 'wait'): End =>
  async (system) => {
    const shutdown = close(system, { timeout: 1_000_000, scheduled });
    if (scheduled === 'cancel') {
      for (const sent of system.sents) {
        if (sent.handle?.status === 'settled') system.endEarly(sent, ErrorCode.QUEUE_CLOSED);
      }
    }
    await check(system);
    await finishAll(system);
    await shutdown;
  };

/** Gives up on what is left, then lets the work that was left behind end. */
const runningIntoTheLimit: End = async (system) => {
  const shutdown = close(system, { timeout: 40.25, scheduled: 'wait' });
  await system.clock.advance(40);
  await check(system);
  giveUp(system, ErrorCode.SHUTDOWN_TIMEOUT);
  await system.clock.advance(1);
  await shutdown;
  await expectNothingLeft(system);
  await finishAll(system);
};

const aborting: End = async (system) => {
  const shutdown = close(system, { drain: false, timeout: 0 });
  giveUp(system, ErrorCode.QUEUE_ABORTED);
  await system.clock.advance(0);
  await shutdown;
};

/** Work that the last run left behind ends in the next one, which does not notice. */
async function expectNextRunUndisturbed(system: PolicySystem): Promise<void> {
  const { queue, clock } = system;
  await queue.initQueue();
  for (const work of system.going(true)) work.finish?.('value');
  await clock.advance(1_000);
  const { accepted, settled, busy, parked, abandoned, late } = queue.getMetrics();
  same(
    { accepted, settled, busy, parked, abandoned, late },
    { accepted: 0, settled: 0, busy: 0, parked: 0, abandoned: 0, late: 0 },
  );
  await queue.shutDownQueue();
  same(clock.pendingTimers, 0);
}

/** Runs random steps on a queue, checks it after each, and ends with what `end` does. */
async function holds(end: End, seeded: fc.Parameters<unknown> = { numRuns }): Promise<void> {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await fc.assert(
      fc.asyncProperty(setups, steps, async (setup, taken) => {
        vi.spyOn(Math, 'random').mockReturnValue(setup.jitter);
        const system = new PolicySystem(setup);
        await system.queue.initQueue();
        await take(system, taken);
        await end(system);
        await expectNothingLeft(system);
        await expectNextRunUndisturbed(system);
        same(system.log?.violations ?? [], []);
        same(unhandled, []);
      }),
      { ...seeded, endOnFailure: false },
    );
  } finally {
    process.off('unhandledRejection', listener);
  }
}

describe('whatever retries, time limits, locks, delays, signals, cancels and revocations do,', {
  timeout: 300_000,
}, () => {
  test('1, 2: everything settles once, the counts add up at every step, and no lock or collector stays taken', () =>
    holds(quietly));

  test('9: a shutdown that drains cancels what is scheduled, and finishes the rest', () => holds(draining('cancel')));

  test('9: or waits for what is scheduled, too', () => holds(draining('wait')));

  test('9: the limit of a shutdown settles the rest, and leaves no timer and no listener behind', () =>
    holds(runningIntoTheLimit));

  test('9: so does a shutdown that does not drain', () => holds(aborting));

  test('queue events come in the order of the state diagrams, and every transition in these occurs', async () => {
    TaskLog.transitions.clear();
    await holds(quietly, { numRuns: 1_000, seed: 3 });
    const drawn = [...transitionsOf('task', successors), ...transitionsOf('payload', successorsOfPayload)];
    expect([...TaskLog.transitions.keys()].sort()).toEqual(drawn.sort());
  });
});

function transitionsOf(name: string, diagram: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(diagram).flatMap(([from, all]) => all.map((to) => `${name}: ${from} → ${to}`));
}
