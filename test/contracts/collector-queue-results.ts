import { Collector, err, errAsync, ok, okAsync } from 'collector-queue';
import { expect } from 'vitest';
import { type Bench, errorOf } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** An error with all that is to be kept of it. */
function detailed(): Error {
  const root = Object.assign(new TypeError('no route'), { code: 'E_ROUTE' });
  return Object.assign(new RangeError('too far', { cause: root }), { code: 'E_FAR' });
}

/** What is kept of that error wherever it goes. */
const DETAILS = {
  name: 'RangeError',
  message: 'too far',
  code: 'E_FAR',
  cause: expect.objectContaining({ name: 'TypeError', message: 'no route', code: 'E_ROUTE' }),
};

async function throwing(bench: Bench, error: unknown) {
  const { publisher } = await bench.startedWith(async (how) => {
    if (how === 'async') await Promise.resolve();
    throw error;
  });
  return [await errorOf(publisher.publish('sync')), await errorOf(publisher.publish('async'))];
}

const PROCESSOR_ERROR = {
  name: 'ProcessorError',
  message: 'the processor of collector "a" failed: RangeError: too far',
  code: 'CQ_PROCESSOR',
};

/** What a processor may throw, hostile things too. */
const THROWN: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  text: () => 'text',
  frozen: () => Object.freeze({ frozen: true }),
  bigint: () => 1n,
  cyclic: () => {
    const error: Error & { self?: unknown } = new Error('round');
    error.cause = error;
    error.self = error;
    return error;
  },
  revoked: () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  hostile: () =>
    Object.defineProperty(new Error('no'), 'message', {
      get: () => {
        throw new Error('do not look');
      },
    }),
};

export const results = {
  resultOrder: {
    kept: async (bench) => {
      const ended: string[] = [];
      const gates = { a: bench.gate(), b: bench.gate(), c: bench.gate() };
      const collectors = (['a', 'b', 'c'] as const).map(
        (key) =>
          new Collector(key, async () => {
            await gates[key].promise;
            ended.push(key);
            return key;
          }),
      );
      const { publisher } = await bench.started(collectors);
      const event = publisher.publish(1);
      for await (const [at, key] of (['c', 'a', 'b'] as const).entries()) {
        gates[key].open();
        await expect.poll(() => ended.length).toBe(at + 1);
      }
      const list = await event.wait();
      expect(ended).toEqual(['c', 'a', 'b']);
      expect([list.keys(), list.oks()]).toEqual([
        ['a', 'b', 'c'],
        ['a', 'b', 'c'],
      ]);
    },
  },

  okValues: {
    kept: async (bench) => {
      const work: Record<string, () => unknown> = {
        bare: () => 'bare',
        nothing: () => undefined,
        ok: () => ok('ok'),
        promised: async () => 'promised',
        'promised ok': async () => ok('promised ok'),
        okAsync: () => okAsync('okAsync'),
        list: () => [0, false, null, ''],
      };
      const { publisher } = await bench.startedWith((name) => work[name]?.());
      const lists = await Promise.all(Object.keys(work).map((name) => publisher.publish(name).wait()));
      expect(lists.map((list) => list.first()._unsafeUnwrap())).toEqual([
        'bare',
        undefined,
        'ok',
        'promised',
        'promised ok',
        'okAsync',
        [0, false, null, ''],
      ]);
    },
  },

  thrown: {
    kept: async (bench) => {
      const thrown = detailed();
      for (const error of await throwing(bench, thrown)) {
        expect(error).toMatchObject({ ...PROCESSOR_ERROR, collectorKey: 'a', retryable: true });
        expect(error.cause).toBe(thrown);
        expect(error.cause).toMatchObject(DETAILS);
      }
    },
    differently: async (bench) => {
      for (const error of await throwing(bench, detailed())) {
        expect(error).toMatchObject({ ...PROCESSOR_ERROR, retryable: true });
        expect(error).toBeInstanceOf(Error);
        expect(error.cause).toBeInstanceOf(Error);
        expect(error.cause).toMatchObject(DETAILS);
        expect(error.cause.cause).toBeInstanceOf(Error);
      }
    },
  },

  thrownAnything: {
    kept: async (bench) => {
      const { publisher } = await bench.startedWith(
        (name) => {
          if (name === 'fine') return 'fine';
          throw THROWN[name]?.();
        },
        { concurrency: 1 },
      );
      const events = Object.keys(THROWN).map((name) => publisher.publish(name));
      for (const event of events) {
        expect(await errorOf(event)).toMatchObject({ name: 'ProcessorError', code: 'CQ_PROCESSOR' });
      }
      expect((await publisher.publish('fine').wait()).oks()).toEqual(['fine']);
    },
  },

  errValue: {
    kept: async (bench) => {
      const { publisher } = await bench.startedWith((value) => (value === 'text' ? errAsync(value) : err(value)));
      for (const value of ['text', { code: 7, why: ['x', null] }, 0, null]) {
        const list = await publisher.publish(value).wait();
        expect(list.first()._unsafeUnwrapErr()).toEqual(value);
        expect([list.isOk(), list.delivered]).toEqual([false, 1]);
      }
    },
  },

  errError: {
    kept: async (bench) => {
      const error = detailed();
      const { publisher } = await bench.startedWith(() => err(error));
      expect(await errorOf(publisher.publish(1))).toBe(error);
    },
    differently: async (bench) => {
      const { publisher } = await bench.startedWith(() => err(detailed()));
      const error = await errorOf(publisher.publish(1));
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject(DETAILS);
    },
  },

  siblings: {
    kept: async (bench) => {
      const collectors = [
        new Collector('a', () => 'fine'),
        new Collector('b', () => {
          throw new Error('b is broken');
        }),
        new Collector('c', () => err('c says no')),
        new Collector('d', async () => 'fine, too'),
      ];
      const { publisher } = await bench.started(collectors, { concurrency: 1 });
      for (const round of [1, 2]) {
        const list = await publisher.publish(round).wait();
        expect([...list].map((result) => result.isOk())).toEqual([true, false, false, true]);
        expect(list.oks()).toEqual(['fine', 'fine, too']);
      }
    },
  },

  list: {
    kept: async (bench) => {
      const collectors = [
        new Collector('a', () => 1),
        new Collector('b', () => err('no')),
        new Collector('c', () => 3),
      ];
      const { publisher } = await bench.started(collectors);
      const list = await publisher.publish(1, { keys: ['a', 'b'] }).wait();
      expect(list.get('a')).toEqual(ok(1));
      expect(list.get('b')).toEqual(err('no'));
      expect(list.get('c')).toBeUndefined();
      expect([list.length, list.delivered, list.isOk()]).toEqual([2, 2, false]);
      expect([list.oks(), list.errs(), [...list.iter()]]).toEqual([[1], ['no'], [ok(1), err('no')]]);
      expect(list.combine()).toEqual(err('no'));
      expect((await publisher.publish(1, { keys: ['c', 'a'] }).wait()).combine()).toEqual(ok([1, 3]));
    },
  },
} satisfies Checks;
