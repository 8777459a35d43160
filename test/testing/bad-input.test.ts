import { Collector, InvalidArgumentError } from 'collector-queue';
import { createTestKit, ManualClock } from 'collector-queue/testing';
import { describe, expect, test } from 'vitest';
import { rejectionOf, thrownBy } from '../core/scene.ts';

const collector = () => new Collector('a', () => 1);
const anything = (value: unknown) => value as never;

/** The message of the error for a wrong argument. */
function refused(error: unknown): string {
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return (error as Error).message;
}

describe('createTestKit refuses', () => {
  test.each<[string, unknown, string]>([
    ['no object', 5, 'createTestKit: options must be an object, but it is 5'],
    ['null', null, 'createTestKit: options must be an object, but it is null'],
    ['an unknown option', { stub: {} }, "given 'stub' (did you mean 'stubs'?)"],
    ['an option of the queue', { maxSize: 5 }, "given 'maxSize'"],
    ['inline', { inline: 'yes' }, 'createTestKit: inline must be a boolean, but it is "yes"'],
    ['inline, null', { inline: null }, 'createTestKit: inline must be a boolean, but it is null'],
    ['clock', { clock: 5 }, 'createTestKit: clock must be an object with the methods now,'],
    ['another clock', { clock: methods() }, 'createTestKit: clock must be a ManualClock, but it is an object'],
    [
      'queue',
      { queue: [] },
      'createTestKit: queue must be an object, the options of the queue, but it is an empty array',
    ],
    [
      'queue, null',
      { queue: null },
      'createTestKit: queue must be an object, the options of the queue, but it is null',
    ],
    ['a clock of the queue', { queue: { clock: new ManualClock() } }, 'createTestKit: queue.clock must be left out'],
    [
      'an option of the queue that is wrong',
      { queue: { maxSize: -1 } },
      'CollectorQueue: maxSize must be a whole number',
    ],
    ['one that is unknown', { queue: { maxSiz: 1 } }, "given 'maxSiz' (did you mean 'maxSize'?)"],
    ['stubs', { stubs: 'a' }, 'createTestKit: stubs must be an object, by the keys of collectors, but it is "a"'],
    ['a stub', { stubs: { a: 5 } }, 'createTestKit: stubs["a"] must be a function, in the place of the processor, but'],
    [
      'a stub of nobody',
      { stubs: { b: () => 1 } },
      'createTestKit: stubs must be the key of a collector of the kit ("a"), but it is "b"',
    ],
    [
      'contexts',
      { contexts: null },
      'createTestKit: contexts must be an object, by the keys of collectors, but it is null',
    ],
    ['a context', { contexts: { a: [] } }, 'createTestKit: contexts["a"]: context must be a plain object'],
    [
      'a context of nobody',
      { contexts: { b: {} } },
      'createTestKit: contexts must be the key of a collector of the kit',
    ],
    ['lifecycles', { lifecycles: 'some' }, `createTestKit: lifecycles must be one of 'unstubbed', 'all', 'none'`],
    ['lifecycles, null', { lifecycles: null }, 'createTestKit: lifecycles must be one of'],
  ])('%s', async (_, options, message) => {
    expect(refused(await rejectionOf(createTestKit([collector()], anything(options))))).toContain(message);
  });

  test.each<[string, unknown]>([
    ['no array', 5],
    ['no collectors', []],
    ['what is no collector', [{ key: 'a' }]],
    ['null among them', [null]],
    ['a key that occurs twice', [collector(), collector()]],
  ])('%s, in the words of the queue', async (_, collectors) => {
    expect(refused(await rejectionOf(createTestKit(anything(collectors))))).toMatch(/^CollectorQueue: collectors/);
  });

  test('nothing that is undefined', async () => {
    const none = undefined;
    await using kit = await createTestKit([collector()], {
      inline: none,
      clock: none,
      queue: none,
      stubs: { a: none },
      contexts: none,
      lifecycles: none,
    });
    kit.expectSettledOk(kit.publisher.publish(1));
  });
});

function methods() {
  const clock = new ManualClock();
  const { now, wall, setTimer, yieldTurn, advance, turn } = clock;
  return { now, wall, setTimer, yieldTurn, advance, turn };
}

describe('a kit refuses', () => {
  test.each<[string, 'settled' | 'runAll' | 'close', unknown, string]>([
    ['options', 'settled', 5, 'settled: options must be an object'],
    ['an unknown option', 'settled', { timout: 5 }, "did you mean 'timeout'?"],
    ['a timeout', 'settled', { timeout: -1 }, 'settled: timeout must be a duration from 0 to 2147483647 milliseconds'],
    ['an endless timeout', 'settled', { timeout: Number.POSITIVE_INFINITY }, 'settled: timeout must be'],
    ['options', 'runAll', null, 'runAll: options must be an object'],
    ['an unknown option', 'runAll', { step: 5 }, "did you mean 'steps'?"],
    ['a timeout', 'runAll', { timeout: '5' }, 'runAll: timeout must be'],
    ['patience', 'runAll', { patience: -1 }, 'runAll: patience must be a duration of at least 0'],
    ['patience, null', 'runAll', { patience: null }, 'runAll: patience must be a duration of at least 0'],
    ['steps', 'runAll', { steps: 1.5 }, 'runAll: steps must be a whole number of at least 0'],
    ['endless steps', 'runAll', { steps: Number.POSITIVE_INFINITY }, 'runAll: steps must be'],
    ['options', 'close', 'now', 'close: options must be an object'],
    ['an unknown option', 'close', { drain: true }, "given 'drain'"],
    ['unsettled', 'close', { unsettled: 'warn' }, `close: unsettled must be one of 'fail', 'ignore'`],
    ['a timeout', 'close', { timeout: Number.NaN }, 'close: timeout must be'],
  ])('%s of %s', async (_, method, options, message) => {
    await using kit = await createTestKit([collector()]);
    expect(refused(await rejectionOf(kit[method](anything(options))))).toContain(message);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '5', undefined])('to advance by %s', async (duration) => {
    await using kit = await createTestKit([collector()]);
    expect(refused(await rejectionOf(kit.advance(anything(duration))))).toMatch(/^advance: duration must be/);
    expect(kit.clock.now()).toBe(0);
  });

  test('keys that no collector has', async () => {
    await using kit = await createTestKit([collector()]);
    const said = 'must be the key of a collector of the kit ("a"), but it is';
    expect(refused(thrownBy(() => kit.sent(anything('b'))))).toBe(`sent: key ${said} "b"`);
    expect(refused(thrownBy(() => kit.expectSent(anything('b'))))).toBe(`expectSent: key ${said} "b"`);
    expect(refused(thrownBy(() => kit.expectNothingSent(anything(undefined))))).toBe(
      `expectNothingSent: key ${said} undefined`,
    );
    expect(refused(thrownBy(() => kit.stub('b' as 'a', () => 1)))).toBe(`stub: key ${said} "b"`);
  });

  test('a stub that is no function', async () => {
    await using kit = await createTestKit([collector()]);
    expect(refused(thrownBy(() => kit.stub('a', anything(null))))).toMatch(/^stub: stub must be a function/);
  });

  test('names of no queue event', async () => {
    await using kit = await createTestKit([collector()]);
    expect(refused(thrownBy(() => kit.events(anything('retried'))))).toBe(
      'events: name must be the name of a queue event, but it is "retried"',
    );
  });

  test('what is no event, and errors of no class', async () => {
    await using kit = await createTestKit([collector()]);
    const event = kit.publisher.publish(1);
    expect(refused(thrownBy(() => kit.expectSettledOk(anything(event.wait()))))).toBe(
      'expectSettledOk: event must be what a send returned, but it is a Promise',
    );
    expect(refused(thrownBy(() => kit.expectSettledErr(event, anything(5))))).toBe(
      'expectSettledErr: expected must be a class of errors, or a code, but it is 5',
    );
  });
});

describe('a manual clock refuses', () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, '5', null])('to start at %s', (now) => {
    expect(refused(thrownBy(() => new ManualClock(anything(now))))).toMatch(
      /^ManualClock: now must be a finite number/,
    );
    expect(refused(thrownBy(() => new ManualClock(0, anything(now))))).toMatch(
      /^ManualClock: epoch must be a valid Date/,
    );
    expect(refused(thrownBy(() => new ManualClock().setWall(anything(now))))).toMatch(
      /^setWall: wall must be a valid Date/,
    );
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '5'])('to move by %s', async (duration) => {
    const clock = new ManualClock(7);
    expect(refused(await rejectionOf(clock.advance(anything(duration))))).toMatch(/^advance: duration must be/);
    expect(refused(thrownBy(() => clock.consume(anything(duration))))).toMatch(/^consume: duration must be/);
    expect(clock.now()).toBe(7);
  });
});
