import { Collector, CollectorQueue, InvalidArgumentError } from 'collector-queue';
import { expect } from 'vitest';
import { thrownBy } from '../core/scene.ts';
import { expectRefused } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

/** What {@link CollectorQueue} has and a queue lacks. */
function lackingIn(queue: object): string[] {
  const names = Object.getOwnPropertyNames(CollectorQueue.prototype);
  expect(names.length).toBeGreaterThan(20);
  return names.filter((name) => !(name in queue));
}

export const construction = {
  face: {
    kept: async (bench) => expect(lackingIn(bench.make([new Collector('a', () => 1)]))).toEqual([]),
    differently: async (bench) => {
      expect(lackingIn(bench.make([new Collector('a', () => 1)])).sort()).toEqual([
        'every',
        'isSaturated',
        'onEmpty',
        'onSizeLessThan',
        'restore',
        'result',
        'revoke',
      ]);
    },
  },

  badOptions: {
    kept: async (bench) => {
      expect(bench.kind.badOptions.length).toBeGreaterThan(5);
      for (const [options, named] of bench.kind.badOptions) expectRefused(bench, options, named);
    },
  },

  badCollectors: {
    kept: async ({ kind }) => {
      const a = (options = {}): Collector => new Collector('a', () => 1, options);
      const sets: [collectors: unknown, named: string][] = [
        [[], 'collectors'],
        [undefined, 'collectors'],
        [[{ key: 'a' }], 'collectors[0]'],
        [[a(), a()], 'collectors[1]'],
        [[a({ deadLetter: 'nobody' })], 'deadLetter'],
        [[a({ deadLetter: 'a' })], 'deadLetter'],
      ];
      for (const [collectors, named] of sets) {
        const error = thrownBy(() => kind.construct(collectors, {}));
        expect(error).toBeInstanceOf(InvalidArgumentError);
        expect(String(error)).toContain(named);
      }
    },
  },
} satisfies Checks;
