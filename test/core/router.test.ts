import {
  type AnyCollector,
  Collector,
  CollectorQueue,
  type Collectors,
  type Deliver,
  ErrorCode,
  ok,
  Payload,
  type ResultList,
  Router,
  RouterError,
  SimpleRouter,
  UnroutedError,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { rejectionOf, started } from './scene.ts';

const noop = (): void => undefined;

/** Selects whatever it is told to. */
class Selecting extends Router {
  readonly #choose: (collectors: Collectors, payload: Payload) => unknown;

  constructor(choose: (collectors: Collectors, payload: Payload) => unknown) {
    super();
    this.#choose = choose;
  }

  select(payload: Payload): readonly AnyCollector[] {
    return this.#choose(this.collectors, payload) as AnyCollector[];
  }
}

/** What one send comes to, with collectors a, b and c that tell that they were called. */
async function sendThrough(
  choose: (collectors: Collectors) => unknown,
): Promise<{ results: ResultList; called: string[] }> {
  const called: string[] = [];
  const collectors = ['a', 'b', 'c'].map((key) => new Collector(key, () => called.push(key)));
  const { queue, publisher } = await started(collectors, { router: new Selecting(choose) });
  const results = await publisher.publish(1).wait();
  expect(queue.getMetrics()).toMatchObject({ accepted: 1, settled: 1, inFlight: 0, busy: 0 });
  await queue.shutDownQueue();
  return { results, called };
}

describe('what a router selects', () => {
  test('is called, and nobody else', async () => {
    const { results, called } = await sendThrough((all) => [all.get('b')]);
    expect(called).toEqual(['b']);
    expect(results.keys()).toEqual(['b']);
    expect(results.delivered).toBe(1);
  });

  test('counts once each and in order of registration, however it comes', async () => {
    const { results, called } = await sendThrough((all) => ['c', 'a', 'c', 'a'].map((key) => all.get(key)));
    expect(called).toEqual(['a', 'c']);
    expect(results.keys()).toEqual(['a', 'c']);
    const twice = await sendThrough((all) => [all.get('b'), all.get('b')]);
    expect(twice.called).toEqual(['b']);
    expect(twice.results.length).toBe(1);
  });

  test('may be nobody', async () => {
    const { results, called } = await sendThrough(() => []);
    expect(called).toEqual([]);
    expect(results.delivered).toBe(0);
    expect(results.first()).toEqual(ok(undefined));
  });

  test('is not changed by the queue, so that it may be selected again', async () => {
    const mine: AnyCollector[] = [];
    const { called } = await sendThrough((all) => {
      mine.push(...['b', 'a', 'b'].map((key) => all.get(key) as AnyCollector));
      return Object.freeze(mine);
    });
    expect(called).toEqual(['a', 'b']);
    expect(mine.map(({ key }) => key)).toEqual(['b', 'a', 'b']);
  });

  const junk: [title: string, choose: (collectors: Collectors) => unknown][] = [
    ['nothing at all', () => undefined],
    ['null', () => null],
    ['a key', () => 'a'],
    ['a single collector', (all) => all.get('a')],
    ['a Set', (all) => new Set(all.values())],
    ['a promise', async (all) => [all.get('a')]],
    ['an array of keys', () => ['a']],
    ['an array with null in it', (all) => [all.get('a'), null]],
    ['an array with a hole', () => new Array(1)],
    ['a collector of no queue', () => [new Collector('a', noop)]],
    ['what only looks like a collector', (all) => [{ ...all.get('a') }]],
  ];

  test.each(junk)('may not be %s: the event settles as Err, and nobody is called', async (_, choose) => {
    const { results, called } = await sendThrough(choose);
    expect(called).toEqual([]);
    expect(results.length).toBe(1);
    expect(results.delivered).toBe(0);
    const error = results.first()._unsafeUnwrapErr();
    expect(error).toBeInstanceOf(RouterError);
    expect(error).toMatchObject({ code: ErrorCode.ROUTER, retryable: false });
  });

  test('may not be a collector of another queue', async () => {
    const foreign = new Collector('foreign', noop);
    const other = await started([foreign]);
    const { results } = await sendThrough(() => [foreign]);
    const error = results.first()._unsafeUnwrapErr() as Error;
    expect(error).toBeInstanceOf(RouterError);
    expect(error.message).toBe('the router selected collector "foreign", which is not in this queue');
    await other.queue.shutDownQueue();
  });

  test.each([
    ['an Error', new RangeError('lost')],
    ['undefined', undefined],
    ['null', null],
    ['a frozen object', Object.freeze({})],
  ])('may be thrown away: a router that throws %s gives an Err with it as the cause', async (_, thrown) => {
    const { results, called } = await sendThrough(() => {
      throw thrown;
    });
    expect(called).toEqual([]);
    const error = results.first()._unsafeUnwrapErr() as RouterError;
    expect(error).toBeInstanceOf(RouterError);
    expect(error.cause).toBe(thrown);
  });

  test('counts as it is thrown if it is a RouterError already', async () => {
    const own = new RouterError('no route for negative numbers');
    const { results } = await sendThrough(() => {
      throw own;
    });
    expect(results.first()._unsafeUnwrapErr()).toBe(own);
  });

  test('of one payload does not matter for the next', async () => {
    let fail = true;
    const router = new Selecting((all) => {
      if (fail) throw new Error('not now');
      return [...all.values()];
    });
    const { queue, publisher } = await started([new Collector('a', () => 'done')], { router, maxConsumers: 1 });
    expect((await publisher.publish(1).wait()).isOk()).toBe(false);
    fail = false;
    expect((await publisher.publish(2).wait()).first()).toEqual(ok('done'));
    await queue.shutDownQueue();
  });

  test('can depend on the payload', async () => {
    const router = new Selecting((all, { value }) => [all.get(value as string)]);
    const { queue, publisher } = await started([new Collector('a', noop), new Collector('b', noop)], { router });
    expect((await publisher.publish('b').wait()).keys()).toEqual(['b']);
    expect((await publisher.publish('a').wait()).keys()).toEqual(['a']);
    await queue.shutDownQueue();
  });
});

describe('a router given', () => {
  test('as a class gets the collectors when it is made, in order of registration', async () => {
    const seen: string[][] = [];
    class Seeing extends SimpleRouter {
      constructor(collectors?: Collectors) {
        super(collectors);
        seen.push([...this.collectors.keys()]);
      }
    }
    const { queue } = await started([new Collector('b', noop), new Collector('a', noop)], { router: Seeing });
    expect(seen).toEqual([['b', 'a']]);
    await queue.addCollector(new Collector('c', noop));
    await queue.removeCollector('b');
    expect(seen.slice(1)).toEqual([
      ['b', 'a', 'c'],
      ['a', 'c'],
    ]);
    await queue.shutDownQueue();
  });

  test('as an instance is told the collectors, and again whenever they change', async () => {
    const seen: string[][] = [];
    class Seeing extends SimpleRouter {
      override refresh(collectors: Collectors): void {
        super.refresh(collectors);
        seen.push([...collectors.keys()]);
      }
    }
    const { queue, publisher } = await started([new Collector('a', noop)], { router: new Seeing() });
    await queue.addCollector(new Collector('b', noop));
    expect((await publisher.publish(1).wait()).keys()).toEqual(['a', 'b']);
    await queue.removeCollector('a');
    expect((await publisher.publish(1).wait()).keys()).toEqual(['b']);
    expect(seen).toEqual([['a'], ['a', 'b'], ['b']]);
    await queue.shutDownQueue();
  });

  test('as a class that throws when it is made makes initQueue fail, and what was set up is shut down', async () => {
    class Failing extends SimpleRouter {
      constructor(collectors?: Collectors) {
        super(collectors);
        throw new Error('no map');
      }
    }
    const entries: string[] = [];
    const lifecycle = { setup: () => void entries.push('up'), shutdown: () => void entries.push('down') };
    const queue = new CollectorQueue([new Collector('a', noop, { lifecycle })], { router: Failing });
    expect(await rejectionOf(queue.initQueue())).toMatchObject({
      code: ErrorCode.ROUTER,
      message: 'the router failed: Error: no map',
    });
    expect(entries).toEqual(['up', 'down']);
    expect(queue.consumerCount).toBe(0);
  });

  test('as a class that throws when it is made makes initQueue tell the failures of the roll-back too', async () => {
    class Failing extends SimpleRouter {
      override refresh(): void {
        throw new Error('no map');
      }
    }
    const fault = new Error('will not close');
    const lifecycle = {
      shutdown: (): void => {
        throw fault;
      },
    };
    const queue = new CollectorQueue([new Collector('a', noop, { lifecycle })], { router: new Failing() });
    const error = await rejectionOf(queue.initQueue());
    expect(error).toMatchObject({ code: ErrorCode.LIFECYCLE, errors: [{ code: ErrorCode.ROUTER }, fault] });
  });

  test.each(['addCollector', 'removeCollector'] as const)(
    'that fails when the collectors change makes %s reject, and the queue goes on as before',
    async (change) => {
      let fail = false;
      class Fragile extends SimpleRouter {
        override refresh(collectors: Collectors): void {
          if (fail) throw new Error('no map');
          super.refresh(collectors);
        }
      }
      const entries: string[] = [];
      const made = (key: string): Collector =>
        new Collector(key, noop, {
          lifecycle: { setup: () => void entries.push(`${key} up`), shutdown: () => void entries.push(`${key} down`) },
        });
      const { queue, publisher } = await started([made('a'), made('b')], { router: new Fragile() });
      fail = true;
      const changed = change === 'addCollector' ? queue.addCollector(made('c')) : queue.removeCollector('b');
      expect(await rejectionOf(changed)).toMatchObject({ code: ErrorCode.ROUTER });
      fail = false;
      expect(queue.collectorKeys).toEqual(['a', 'b']);
      expect((await publisher.publish(1).wait()).keys()).toEqual(['a', 'b']);
      await queue.shutDownQueue();
      const expected = ['a up', 'b up', 'b down', 'a down'];
      if (change === 'addCollector') expected.splice(2, 0, 'c up', 'c down');
      expect(entries).toEqual(expected);
    },
  );

  test('as one instance to two queues is refused by the second until the first was shut down', async () => {
    const router = new SimpleRouter();
    const [one, other] = ['one', 'other'].map((key) => new CollectorQueue([new Collector(key, () => key)], { router }));
    await one?.initQueue();
    expect(await rejectionOf((other as CollectorQueue).initQueue())).toMatchObject({ code: ErrorCode.ROUTER });
    expect((await one?.getPublisher().publish(1).wait())?.first()).toEqual(ok('one'));
    await one?.shutDownQueue();
    await other?.run(async (publisher) => {
      expect((await publisher.publish(1).wait()).first()).toEqual(ok('other'));
    });
  });
});

describe('a payload that matches nobody', () => {
  test("settles as Ok(undefined) and is counted, by default or with onUnrouted: 'ok'", async () => {
    for (const options of [{}, { onUnrouted: 'ok' as const }]) {
      const { queue, publisher } = await started([new Collector('a', noop)], options);
      const results = await publisher.publish(1, { keys: 'nobody' }).wait();
      expect([...results]).toEqual([ok(undefined)]);
      expect(results.delivered).toBe(0);
      expect(results.keys()).toEqual([]);
      expect(queue.getMetrics()).toMatchObject({ unrouted: 1, settled: 1 });
      await queue.shutDownQueue();
    }
  });

  test("settles as Err(UnroutedError) and is counted, with onUnrouted: 'error'", async () => {
    const { queue, publisher } = await started([new Collector('a', noop)], { onUnrouted: 'error' });
    const results = await publisher.publish(1, { topics: 'nothing' }).wait();
    expect(results.length).toBe(1);
    expect(results.delivered).toBe(0);
    expect(results.first()._unsafeUnwrapErr()).toBeInstanceOf(UnroutedError);
    expect(results.first()._unsafeUnwrapErr()).toMatchObject({ code: ErrorCode.UNROUTED, retryable: false });
    expect(queue.getMetrics()).toMatchObject({ unrouted: 1, settled: 1 });
    await queue.shutDownQueue();
  });

  test('does the same through a handleEvent of its own that delivers what select chose', async () => {
    class Passing extends SimpleRouter {
      override handleEvent(payload: Payload, deliver: Deliver): ResultList | Promise<ResultList> {
        return super.handleEvent(payload, deliver);
      }
    }
    const { queue, publisher } = await started([new Collector('a', noop)], { router: Passing });
    const results = await publisher.send(new Payload(1, { keys: 'nobody' })).wait();
    expect(results.first()).toEqual(ok(undefined));
    expect(results.delivered).toBe(0);
    expect(queue.getMetrics()).toMatchObject({ unrouted: 1, settled: 1 });
    await queue.shutDownQueue();
  });
});
