import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settlePromises } from '../../../src/testing/manual-clock.ts';
import * as steps from './commands.ts';
import { Model, type Setup } from './model.ts';
import { System } from './system.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

/** Runs random steps on a queue and its model, compares them after each, and ends with what `end` does. */
async function holds(
  choices: readonly fc.Arbitrary<steps.Step>[],
  end: (model: Model, system: System) => Promise<void> = shutDownAtOnce,
  setups: fc.Arbitrary<Setup> = steps.setups,
): Promise<void> {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await fc.assert(
      fc.asyncProperty(setups, fc.commands([...choices], { size: '+1', maxCommands: 40 }), async (setup, commands) => {
        const system = new System(setup);
        const model = new Model(setup);
        await system.queue.initQueue();
        await fc.asyncModelRun(() => ({ model, real: system }), commands);
        await end(model, system);
        expect(unhandled).toEqual([]);
      }),
      { numRuns, endOnFailure: false },
    );
  } finally {
    process.off('unhandledRejection', listener);
  }
}

/** Gives up on everything; what was accepted settles, and nothing stays behind. */
async function shutDownAtOnce(model: Model, system: System): Promise<void> {
  const shutdown = system.queue.shutDownQueue({ drain: false, timeout: 0 });
  model.close();
  await settlePromises();
  model.giveUpAll('aborted');
  await system.clock.advance(0);
  await shutdown;
  await system.check(model);
  await expectNothingLeft(model, system);
}

/** No timer, no entry; a later send is refused. */
async function expectNothingLeft(model: Model, system: System): Promise<void> {
  expect(system.clock.pendingTimers).toBe(0);
  expect(system.clock.pendingTurns).toBe(0);
  system.send(model.send(1));
  await system.check(model);
  expect(model.events.every((event) => event.place === 'settled')).toBe(true);
  for (const handle of system.handles.values()) expect(handle.status).toBe('settled');
}

/** Lets every processor end until the drain is done. */
async function drain(model: Model, system: System): Promise<void> {
  const shutdown = system.queue.shutDownQueue({ timeout: 60_000 });
  model.close();
  model.resume();
  await system.check(model);
  for (let event = nextAtWork(model); event !== undefined; event = nextAtWork(model)) {
    const [collector] = event.atWork as Set<number>;
    system.finish(event.id, collector as number, 'value');
    model.complete(event, collector as number, 'ok');
    await system.check(model);
  }
  await shutdown;
  await system.check(model);
  const given = new Set(['ok', 'err', 'cancelled', 'cleared', 'dropped', 'full', 'closed']);
  for (const event of model.events) expect(event.endings.every((ending) => given.has(ending as string))).toBe(true);
  await expectNothingLeft(model, system);
}

/** The limit of the shutdown passes while work goes on. */
async function runIntoTheLimit(model: Model, system: System): Promise<void> {
  const shutdown = system.queue.shutDownQueue({ timeout: 500 });
  model.close();
  model.resume();
  await system.check(model);
  const running = model.events.filter((event) => event.place === 'running');
  const signals = running.flatMap((event) => [...event.atWork].map((one) => system.signalOf(event.id, one)));
  await system.clock.advance(500);
  model.giveUpAll('shutdown-timeout');
  await shutdown;
  await system.check(model);
  expect(signals.every((signal) => signal?.aborted === true)).toBe(true);
  await expectNothingLeft(model, system);
}

const nextAtWork = (model: Model) => model.events.find((event) => event.atWork.size > 0);
const unbounded = steps.setups.map((setup): Setup => ({ ...setup, maxSize: Number.POSITIVE_INFINITY }));
const bounded = steps.setups.map((setup): Setup => ({ ...setup, maxSize: Math.min(setup.maxSize, 2) }));
const singleConsumer = steps.setups.map((setup): Setup => ({ ...setup, minConsumers: 1, maxConsumers: 1 }));

describe('whatever is done to a queue,', () => {
  test('1: every accepted send settles exactly once, and nothing raises unhandledRejection', { timeout: 300_000 }, () =>
    holds(steps.anything),
  );

  test(
    '2: offered = accepted + rejected, and accepted = waiting + in flight + parked + settled, at every step',
    { timeout: 300_000 },
    () => holds([...steps.anything, steps.cancel, steps.cancel, steps.clear], drain),
  );

  test(
    '3: a send that was refused, or aborted before it was accepted, leaves nothing behind',
    { timeout: 300_000 },
    () =>
      holds(
        [steps.send, steps.sendWhenReady, steps.sendWhenReady, steps.abortSendWhenReady, steps.complete],
        shutDownAtOnce,
        bounded,
      ),
  );

  test(
    '4: payloads are dispatched first in first out, last in first out, or by priority with stable ties',
    { timeout: 300_000 },
    () =>
      holds(
        [steps.send, steps.send, steps.complete, steps.complete, steps.cancel, steps.pause, steps.resume],
        drain,
        unbounded,
      ),
  );

  test('4: with one consumer too', { timeout: 300_000 }, () =>
    holds([steps.send, steps.send, steps.complete, steps.complete, steps.cancel], drain, singleConsumer),
  );

  test('5: min ≤ consumers ≤ max, and never does a payload wait beside an idle consumer', { timeout: 300_000 }, () =>
    holds([steps.send, steps.complete, steps.advance, steps.advance, steps.pause, steps.resume], drain),
  );

  test('6: no fault of a processor costs a consumer', () => holds([steps.send, steps.complete, steps.complete], drain));

  test(
    '7: each collector is called once for an event, and results are in order of registration',
    { timeout: 300_000 },
    () =>
      holds(
        [steps.send, steps.complete, steps.complete, steps.complete, steps.cancel],
        drain,
        steps.setups.map((setup): Setup => ({ ...setup, collectors: 3 })),
      ),
  );

  test('9: a shutdown that drains gives real results to everything that was accepted', { timeout: 300_000 }, () =>
    holds(steps.anything, drain),
  );

  test(
    '9: the limit of a shutdown settles the rest as ShutdownTimeoutError and aborts their signals',
    { timeout: 300_000 },
    () => holds(steps.anything, runIntoTheLimit),
  );
});
