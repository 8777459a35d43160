import { CancelTask, type CollectorOptions, err, InvalidArgumentError, RetryTask } from 'collector-queue';
import { expect } from 'vitest';
import { thrownBy } from '../core/scene.ts';
import { type Bench, codeOf } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** The numbers of the attempts that are made, and what came of it. */
async function attempts(bench: Bench, work: (number: number) => unknown, collector: CollectorOptions) {
  const numbers: number[] = [];
  const { publisher } = await bench.startedWith(
    (_, { number }) => {
      numbers.push(number);
      return work(number);
    },
    { collector },
  );
  const list = await publisher.publish(1).wait();
  return { numbers, result: list.first() };
}

export const retries = {
  retry: {
    kept: async (bench) => {
      const failing = await attempts(bench, (number) => err(`no ${number}`), { retry: { attempts: 3, base: 0 } });
      expect(failing.numbers).toEqual([1, 2, 3]);
      expect(failing.result._unsafeUnwrapErr()).toBe('no 3');
      const recovering = await attempts(
        bench,
        (number) => {
          if (number < 2) throw new Error('not yet');
          return number;
        },
        { retry: { attempts: 5, base: 2 } },
      );
      expect(recovering.numbers).toEqual([1, 2]);
      expect(recovering.result._unsafeUnwrap()).toBe(2);
      const once = await attempts(bench, () => err('no'), {});
      expect(once.numbers).toEqual([1]);
    },
  },

  retryDelay: {
    kept: async (bench) => {
      const before = performance.now();
      const { numbers, result } = await attempts(bench, (n) => (n < 3 ? err({ retryAfter: 30 }) : 'done'), {
        retry: { attempts: 3, base: 1_000_000, cap: 1_000_000 },
      });
      expect(numbers).toEqual([1, 2, 3]);
      expect(result._unsafeUnwrap()).toBe('done');
      expect(performance.now() - before).toBeGreaterThanOrEqual(58);
    },
  },

  permanent: {
    kept: async (bench) => {
      const retry = { attempts: 5, base: 0 };
      const said = await attempts(bench, () => err({ retryable: false }), { retry });
      expect(said.numbers).toEqual([1]);
      expect(said.result._unsafeUnwrapErr()).toEqual({ retryable: false });
      const thrown = await attempts(
        bench,
        () => {
          throw Object.assign(new Error('for good'), { retryable: false });
        },
        { retry },
      );
      expect(thrown.numbers).toEqual([1]);
      const seen: unknown[] = [];
      const retryIf = (error: { wanted: boolean }, attempt: number): boolean => {
        seen.push([error.wanted, attempt]);
        return error.wanted;
      };
      const asked = await attempts(bench, (number) => err({ wanted: number < 3 }), { retry: { ...retry, retryIf } });
      expect(asked.numbers).toEqual([1, 2, 3]);
      expect(seen).toEqual([
        [true, 1],
        [true, 2],
        [false, 3],
      ]);
    },
  },

  retryTask: {
    kept: async (bench) => {
      const before = performance.now();
      const { numbers, result } = await attempts(
        bench,
        (number) => {
          if (number === 2) throw new RetryTask({ delay: 40 });
          return number < 4 ? new RetryTask() : 'done';
        },
        {},
      );
      expect(numbers).toEqual([1, 2, 3, 4]);
      expect(result._unsafeUnwrap()).toBe('done');
      expect(performance.now() - before).toBeGreaterThanOrEqual(38);
    },
  },

  cancelTask: {
    kept: async (bench) => {
      const { numbers, result } = await attempts(bench, () => new CancelTask('not wanted'), {
        retry: { attempts: 5, base: 0 },
      });
      expect(numbers).toEqual([1]);
      expect(result._unsafeUnwrapErr()).toMatchObject({
        name: 'CancelledError',
        code: 'CQ_CANCELLED',
        cause: 'not wanted',
      });
    },
  },

  sendOptions: {
    kept: async (bench) => {
      const end = bench.gate();
      const numbers: number[] = [];
      const { publisher } = await bench.startedWith(
        (value, { number }) => {
          numbers.push(number);
          return value === 'fail' ? err('no') : end.promise;
        },
        { collector: { retry: { attempts: 4, base: 0 }, timeout: 60_000 } },
      );
      await publisher.publish('fail', undefined, { retry: { attempts: 2, base: 0 } }).wait();
      expect(numbers).toEqual([1, 2]);
      expect(await codeOf(publisher.publish('hang', undefined, { timeout: 30, retry: 1 }))).toBe('CQ_DELIVERY_TIMEOUT');
    },
  },

  sendRetryIf: {
    kept: async (bench) => {
      const numbers: number[] = [];
      const { publisher } = await bench.startedWith((_, { number }) => err(numbers.push(number)));
      const retry = { attempts: 5, base: 0, retryIf: (error: number) => error < 2 };
      await publisher.publish(1, undefined, { retry }).wait();
      expect(numbers).toEqual([1, 2]);
    },
    not: async (bench) => {
      const { publisher } = await bench.startedWith(() => 1);
      const error = thrownBy(() => publisher.publish(1, undefined, { retry: { attempts: 5, retryIf: () => true } }));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(String(error)).toContain('retryIf');
    },
  },
} satisfies Checks;
