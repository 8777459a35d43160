import { Collector, err, ok, ProcessorError } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { giveUp, type Scene, started } from './scene.ts';

function raise(): never {
  throw new Error('hostile');
}

/** Throws whatever is done to it; except that it has no `then`, or could not be given to anybody. */
function opaque(): object {
  return new Proxy(
    {},
    { get: (_, name) => (name === 'then' ? undefined : raise()), getPrototypeOf: raise, has: raise, ownKeys: raise },
  );
}

function thenable(then: (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => unknown): unknown {
  return Object.defineProperty({}, 'then', { value: then });
}

/** A promise with a property of its own. */
function promiseWith(
  name: string,
  descriptor: PropertyDescriptor,
  promise: Promise<unknown> = Promise.resolve('inside'),
): unknown {
  return Object.defineProperty(promise, name, descriptor);
}

/** A function with a `then`. */
function withThen(value: unknown): unknown {
  return Object.defineProperty(() => 1, 'then', { value });
}

function cyclic(): object {
  const cycle: { self?: object } = {};
  cycle.self = cycle;
  return cycle;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** A promise whose derived promises are made by this function. */
function withSpecies(species: unknown): unknown {
  return promiseWith('constructor', { value: { [Symbol.species]: species } });
}

type Verdict = 'ok' | 'err' | 'either';

const HOSTILE: [title: string, processor: () => unknown, verdict: Verdict][] = [
  ['throws undefined', () => throwing(undefined), 'err'],
  ['throws null', () => throwing(null), 'err'],
  ['throws a symbol', () => throwing(Symbol('thrown')), 'err'],
  ['throws a frozen object', () => throwing(Object.freeze({})), 'err'],
  ['throws a cyclic object', () => throwing(cyclic()), 'err'],
  ['throws an opaque Proxy', () => throwing(opaque()), 'err'],
  ['throws a revoked Proxy', () => throwing(revoked()), 'err'],
  [
    'throws an Error whose message throws',
    () => throwing(Object.defineProperty(new Error(), 'message', { get: raise })),
    'err',
  ],
  [
    'throws an Error whose name is a symbol',
    () => throwing(Object.assign(new Error('x'), { name: Symbol('n') })),
    'err',
  ],
  ['rejects with undefined', () => Promise.reject(), 'err'],
  ['rejects with null', async () => throwing(null), 'err'],
  ['rejects with a frozen object', async () => throwing(Object.freeze({})), 'err'],
  ['rejects with a cyclic object', async () => throwing(cyclic()), 'err'],
  ['rejects with an opaque Proxy', async () => throwing(opaque()), 'err'],
  ['rejects with a revoked Proxy', async () => throwing(revoked()), 'err'],
  ['returns an opaque Proxy', () => opaque(), 'either'],
  ['returns a revoked Proxy', () => revoked(), 'err'],
  ['resolves to an opaque Proxy', async () => opaque(), 'either'],
  ['returns an object without a prototype', () => Object.create(null), 'ok'],
  ['returns a function with a then that is no function', () => withThen(1), 'ok'],
  ['returns what throws when its then is read', () => Object.defineProperty({}, 'then', { get: raise }), 'err'],
  ['returns what throws when its then is read again', () => readOnce(), 'either'],
  ['returns a thenable that throws', () => thenable(raise), 'err'],
  ['returns a thenable that throws after it resolved', () => thenable((resolve) => [resolve('first'), raise()]), 'ok'],
  ['returns a thenable that resolves twice', () => thenable((resolve) => [resolve('first'), resolve('second')]), 'ok'],
  [
    'returns a thenable that resolves and rejects',
    () => thenable((resolve, reject) => [resolve('first'), reject('second')]),
    'ok',
  ],
  [
    'returns a thenable that rejects and resolves',
    () => thenable((resolve, reject) => [reject('first'), resolve('second')]),
    'err',
  ],
  [
    'returns a thenable that resolves with a thenable',
    () => thenable((resolve) => resolve(thenable((inner) => inner('deep')))),
    'ok',
  ],
  ['returns a thenable function', () => withThen((resolve: (value: unknown) => void) => resolve('called')), 'ok'],
  ['resolves to a thenable that throws', async () => thenable(raise), 'err'],
  ['returns a promise whose own then throws', () => promiseWith('then', { value: raise }), 'ok'],
  ['returns a promise whose own then cannot be read', () => promiseWith('then', { get: raise }), 'ok'],
  ['returns a promise whose own then does nothing', () => promiseWith('then', { value: () => undefined }), 'ok'],
  [
    'returns a promise whose own then calls back twice',
    () => promiseWith('then', { value: (back: (value: unknown) => void) => [back(1), back(2)] }),
    'ok',
  ],
  [
    'returns a promise whose own catch throws',
    () => promiseWith('catch', { value: raise }, Promise.reject(new Error('inside'))),
    'err',
  ],
  ['returns a promise whose constructor cannot be read', () => promiseWith('constructor', { get: raise }), 'either'],
  [
    'returns a promise whose species cannot be read',
    () => promiseWith('constructor', { value: Object.defineProperty({}, Symbol.species, { get: raise }) }),
    'either',
  ],
  ['returns a promise whose species is no constructor', () => withSpecies(7), 'either'],
  ['returns a promise whose species throws', () => withSpecies(raise), 'either'],
  ['returns a promise whose species never calls its executor', () => withSpecies(function Lazy() {}), 'either'],
  ['returns what only inherits from Promise', () => Object.create(Promise.prototype), 'err'],
  ['returns a Proxy of a promise', () => new Proxy(Promise.resolve(1), {}), 'err'],
  [
    'returns a Proxy of an Ok that cannot be looked at',
    () => new Proxy(ok(1), { get: (_, name) => (name === 'then' ? undefined : raise()) }),
    'either',
  ],
  [
    'resolves to a Proxy of an Ok that cannot be looked at',
    async () => new Proxy(ok(1), { get: (_, name) => (name === 'then' ? undefined : raise()) }),
    'either',
  ],
  ['returns an Ok whose isOk was replaced', () => Object.assign(ok(1), { isOk: raise }), 'either'],
  [
    'resolves to an Err whose isOk was replaced',
    async () => Object.assign(err(1), { isOk: raise, isErr: raise }),
    'either',
  ],
];

function throwing(thrown: unknown): never {
  throw thrown;
}

/** Its `then` can be read once. */
function readOnce(): object {
  let reads = 0;
  return Object.defineProperty({}, 'then', {
    get: () => (reads++ === 0 ? (resolve: (value: unknown) => void) => resolve('read') : raise()),
  });
}

describe.each([
  ['nobody listens', false],
  ['somebody listens', true],
])('while %s, a processor that', (_, listening) => {
  async function scene(processor: () => unknown): Promise<Scene> {
    const hostile = new Collector('hostile', processor);
    const friendly = new Collector('friendly', async () => 'unharmed');
    const made = await started([hostile, friendly], { maxConsumers: 1 });
    if (listening)
      for (const name of ['started', 'finished', 'error-task'] as const) made.queue.events.on(name, () => 1);
    return made;
  }

  test.each(HOSTILE)(
    '%s settles its event, harms nobody else, and costs no consumer',
    async (__, processor, verdict) => {
      const { queue, publisher, clock } = await scene(processor);
      const both = publisher.publish(1);
      const alone = publisher.publish(2, { keys: 'hostile' });
      const after = publisher.publish(3, { keys: 'friendly' });
      await clock.turn();
      await clock.turn();
      expect([both.status, alone.status, after.status]).toEqual(['settled', 'settled', 'settled']);
      expect(both.getResult()?.get('friendly')).toEqual(ok('unharmed'));
      expect(after.getResult()?.first()).toEqual(ok('unharmed'));
      for (const list of [both.getResult(), alone.getResult()]) {
        const result = list?.get('hostile');
        if (verdict === 'ok') expect(result?.isOk()).toBe(true);
        if (verdict === 'err') expect(result?._unsafeUnwrapErr()).toBeInstanceOf(ProcessorError);
      }
      expect(queue.getMetrics()).toMatchObject({ accepted: 3, settled: 3, busy: 0, inFlight: 0, parked: 0, late: 0 });
      expect(await queue.removeCollector('hostile')).toBe(true);
      await queue.shutDownQueue();
    },
  );

  test('never ends keeps its consumer, and is given up at shutdown', async () => {
    const made = await scene(() => thenable(() => undefined));
    const event = made.publisher.publish(1, { keys: 'hostile' });
    const after = made.publisher.publish(2, { keys: 'friendly' });
    await made.clock.turn();
    expect([event.status, after.status]).toEqual(['running', 'waiting']);
    await giveUp(made);
    expect([event.status, after.status]).toEqual(['settled', 'settled']);
  });
});

test('an Err keeps what was thrown as its cause, whatever it was', async () => {
  for (const thrown of [undefined, null, 0, '', Symbol('x'), Object.freeze({}), opaque()]) {
    const { queue, publisher } = await started([new Collector('a', () => throwing(thrown))]);
    const error = (await publisher.publish(1).wait()).first()._unsafeUnwrapErr() as ProcessorError;
    expect(Object.is(error.cause, thrown)).toBe(true);
    expect(typeof error.message).toBe('string');
    await queue.shutDownQueue();
  }
});

test('a processor is called without a this', async () => {
  let self: unknown = 'not called';
  const collector = new Collector('a', function (this: unknown) {
    self = this;
  });
  const { queue, publisher } = await started([collector]);
  await publisher.publish(1).wait();
  expect(self).toBeUndefined();
  await queue.shutDownQueue();
});
