import { Collector, InvalidArgumentError, LifecycleError, QueueClosedError } from 'collector-queue';
import { expect } from 'vitest';
import { rejectionOf } from '../core/scene.ts';
import { type Bench, codeOf, until } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

interface Faults {
  setup?: unknown;
  shutdown?: unknown;
}

/** Collectors that tell what happens to them, and fail where they are told to. */
class Diary {
  readonly entries: string[] = [];

  /** By a generator. */
  collector(key: string, faults: Faults = {}): Collector {
    const { entries } = this;
    const lifecycle = async function* (): AsyncGenerator<undefined, void, void> {
      entries.push(`${key} up`);
      if (faults.setup !== undefined) throw faults.setup;
      yield;
      entries.push(`${key} down`);
      if (faults.shutdown !== undefined) throw faults.shutdown;
    };
    return new Collector(key, () => key, { lifecycle });
  }

  /** By methods. */
  methodical(key: string): Collector {
    const { entries } = this;
    const lifecycle = {
      setup: () => void entries.push(`${key} up`),
      shutdown: () => void entries.push(`${key} down`),
    };
    return new Collector(key, () => key, { lifecycle });
  }
}

/** A collector whose set-up takes until the gate opens. */
function slowly(diary: Diary, open: Promise<void>): Collector {
  return new Collector('slow', () => 1, {
    lifecycle: {
      setup: () => {
        diary.entries.push('slow up');
        return open;
      },
      shutdown: () => void diary.entries.push('slow down'),
    },
  });
}

/** It gets nothing more, and is shut down after its last task. */
async function removes(bench: Bench): Promise<void> {
  const diary = new Diary();
  const end = bench.gate();
  const called: unknown[] = [];
  const busy = new Collector(
    'busy',
    async ({ value }) => {
      called.push(value);
      await end.promise;
      diary.entries.push('busy ended');
      return value;
    },
    { lifecycle: { shutdown: () => void diary.entries.push('busy down') } },
  );
  const { queue, publisher } = await bench.started([diary.collector('a'), busy]);
  const event = publisher.publish(1);
  await until(() => called.length === 1);
  const removing = queue.removeCollector('busy');
  await until(() => queue.collectorKeys.length === 1);
  expect((await publisher.publish(2).wait()).keys()).toEqual(['a']);
  expect(diary.entries).toEqual(['a up']);
  end.open();
  expect(await removing).toBe(true);
  expect((await event.wait()).oks()).toEqual(['a', 1]);
  expect(diary.entries).toEqual(['a up', 'busy ended', 'busy down']);
  expect(called).toEqual([1]);
  expect(await queue.removeCollector('busy')).toBe(false);
}

export const lifecycles = {
  lifecycleOrder: {
    kept: async (bench) => {
      const diary = new Diary();
      const { queue } = await bench.started([diary.collector('a'), diary.methodical('b'), diary.collector('c')]);
      expect(diary.entries).toEqual(['a up', 'b up', 'c up']);
      await queue.shutDownQueue();
      expect(diary.entries.slice(3)).toEqual(['c down', 'b down', 'a down']);
    },
  },

  context: {
    kept: async (bench) => {
      const given = { greeting: 'hello', calls: 0 };
      const collector = new Collector(
        'a',
        (_, context: typeof given & { name: string }) => {
          context.calls++;
          return `${context.greeting} ${context.name} ${context.calls}`;
        },
        {
          context: given,
          lifecycle: async function* (context) {
            yield { name: `${context.greeting.length}` };
          },
        },
      );
      const { queue, publisher } = await bench.started([collector]);
      for (const [at, wanted] of ['hello 5 1', 'hello 5 2', 'hello 5 1'].entries()) {
        if (at === 2) {
          await queue.shutDownQueue();
          await queue.initQueue();
        }
        expect((await publisher.publish(1).wait()).oks()).toEqual([wanted]);
      }
      expect(given).toEqual({ greeting: 'hello', calls: 0 });
    },
  },

  rollback: {
    kept: async (bench) => {
      const diary = new Diary();
      const [setup, ofA, ofB] = [new Error('no disk'), new Error('a'), new Error('b')];
      const queue = bench.make([
        diary.collector('a', { shutdown: ofA }),
        diary.collector('b', { shutdown: ofB }),
        diary.collector('c', { setup }),
        diary.collector('d'),
      ]);
      const error = (await rejectionOf(queue.initQueue())) as LifecycleError;
      expect(error).toBeInstanceOf(LifecycleError);
      expect(error).toMatchObject({ code: 'CQ_LIFECYCLE', cause: setup });
      expect(error.errors).toEqual([setup, ofB, ofA]);
      expect(diary.entries).toEqual(['a up', 'b up', 'c up', 'b down', 'a down']);
      expect(queue.consumerCount).toBe(0);
    },
  },

  initAgain: {
    kept: async (bench) => {
      const diary = new Diary();
      const faults: Faults = { setup: new Error('not yet') };
      const queue = bench.make([diary.collector('a'), diary.collector('b', faults)]);
      await rejectionOf(queue.initQueue());
      delete faults.setup;
      const publisher = queue.getPublisher();
      for (const _ of ['after a failure', 'after a shutdown']) {
        await queue.initQueue();
        expect((await publisher.publish(1).wait()).oks()).toEqual(['a', 'b']);
        await queue.shutDownQueue();
      }
      const once = ['a up', 'b up', 'b down', 'a down'];
      expect(diary.entries).toEqual(['a up', 'b up', 'a down', ...once, ...once]);
    },
  },

  initIdempotent: {
    kept: async (bench) => {
      const diary = new Diary();
      const queue = bench.make([diary.collector('a')]);
      await Promise.all([queue.initQueue(), queue.initQueue()]);
      await queue.initQueue();
      expect(diary.entries).toEqual(['a up']);
      const error = new Error('no');
      const failing = bench.make([diary.collector('b', { setup: error })]);
      const errors = await Promise.all([rejectionOf(failing.initQueue()), rejectionOf(failing.initQueue())]);
      expect(errors[0]).toBeInstanceOf(LifecycleError);
      expect(errors[1]).toBe(errors[0]);
      expect(diary.entries).toEqual(['a up', 'b up']);
    },
  },

  shutdownIdempotent: {
    kept: async (bench) => {
      const diary = new Diary();
      const queue = bench.make([diary.collector('a', { shutdown: new Error('stuck') })]);
      await queue.shutDownQueue();
      expect(diary.entries).toEqual([]);
      await queue.initQueue();
      const errors = await Promise.all([rejectionOf(queue.shutDownQueue()), rejectionOf(queue.shutDownQueue())]);
      expect(errors[0]).toBeInstanceOf(LifecycleError);
      expect(errors[1]).toBe(errors[0]);
      expect(await rejectionOf(queue.shutDownQueue())).toBe(errors[0]);
      expect(diary.entries).toEqual(['a up', 'a down']);
    },
  },

  shutdownDuringInit: {
    kept: async (bench) => {
      const diary = new Diary();
      const open = bench.gate();
      const queue = bench.make([diary.collector('a'), slowly(diary, open.promise), diary.collector('b')]);
      const starting = rejectionOf(queue.initQueue());
      await until(() => diary.entries.includes('slow up'));
      const closing = queue.shutDownQueue();
      open.open();
      await closing;
      expect(await starting).toBeInstanceOf(QueueClosedError);
      expect(diary.entries).toEqual(['a up', 'slow up', 'slow down', 'a down']);

      const again = bench.gate();
      const fault = new Error('stuck');
      const faulty = bench.make([diary.collector('c', { shutdown: fault }), slowly(diary, again.promise)]);
      diary.entries.length = 0;
      const startingAgain = rejectionOf(faulty.initQueue());
      await until(() => diary.entries.includes('slow up'));
      const closingAgain = rejectionOf(faulty.shutDownQueue());
      again.open();
      for (const error of [await closingAgain, await startingAgain]) {
        expect(error).toBeInstanceOf(LifecycleError);
        expect((error as LifecycleError).errors).toEqual([fault]);
      }
    },
  },

  reopen: {
    kept: async (bench) => {
      const diary = new Diary();
      const end = bench.gate();
      const collector = new Collector('slow', () => end.promise, {
        lifecycle: {
          setup: () => void diary.entries.push('slow up'),
          shutdown: () => void diary.entries.push('slow down'),
        },
      });
      const { queue, publisher } = await bench.started([diary.collector('a'), collector]);
      const running = publisher.publish(1, { keys: 'slow' }).wait();
      const closing = queue.shutDownQueue();
      const starting = queue.initQueue();
      end.open();
      await Promise.all([closing, starting]);
      expect((await running).isOk()).toBe(true);
      expect((await publisher.publish(2, { keys: 'a' }).wait()).oks()).toEqual(['a']);
      expect(diary.entries).toEqual(['a up', 'slow up', 'slow down', 'a down', 'a up', 'slow up']);
    },
  },

  shutdownFailure: {
    kept: async (bench) => {
      const diary = new Diary();
      const [ofA, ofC] = [new Error('a'), new Error('c')];
      const { queue } = await bench.started([
        diary.collector('a', { shutdown: ofA }),
        diary.collector('b'),
        diary.collector('c', { shutdown: ofC }),
      ]);
      const error = (await rejectionOf(queue.shutDownQueue())) as LifecycleError;
      expect(error).toBeInstanceOf(LifecycleError);
      expect(error.errors).toEqual([ofC, ofA]);
      expect(diary.entries.slice(3)).toEqual(['c down', 'b down', 'a down']);
    },
  },

  oneQueue: {
    kept: async (bench) => {
      const collector = new Collector('a', () => 'served');
      const { queue, publisher } = await bench.started([collector]);
      const other = bench.make([collector]);
      expect(await rejectionOf(other.initQueue())).toBeInstanceOf(LifecycleError);
      expect((await publisher.publish(1).wait()).oks()).toEqual(['served']);
      await queue.shutDownQueue();
      await other.initQueue();
      expect((await other.getPublisher().publish(1).wait()).oks()).toEqual(['served']);
    },
  },

  run: {
    kept: async (bench) => {
      const diary = new Diary();
      const queue = bench.make([diary.collector('a')]);
      const value = await queue.run(async (publisher) => (await publisher.publish(1).wait()).oks());
      expect(value).toEqual(['a']);
      const error = new Error('of the body');
      expect(await rejectionOf(queue.run(() => Promise.reject(error)))).toBe(error);
      expect(diary.entries).toEqual(['a up', 'a down', 'a up', 'a down']);
    },
  },

  asyncDispose: {
    kept: async (bench) => {
      const diary = new Diary();
      const { queue, publisher } = await bench.started([diary.collector('a')]);
      await queue[Symbol.asyncDispose]();
      expect(diary.entries).toEqual(['a up', 'a down']);
      expect(await codeOf(publisher.publish(1))).toBe('CQ_QUEUE_CLOSED');
    },
  },

  addCollector: {
    kept: async (bench) => {
      const diary = new Diary();
      const { queue, publisher } = await bench.started([diary.collector('a')]);
      await queue.addCollector(diary.collector('b'));
      expect(diary.entries).toEqual(['a up', 'b up']);
      expect(queue.collectorKeys).toEqual(['a', 'b']);
      expect((await publisher.publish(1).wait()).oks()).toEqual(['a', 'b']);
      expect(await rejectionOf(queue.addCollector(diary.collector('b')))).toBeInstanceOf(InvalidArgumentError);
      const broken = diary.collector('c', { setup: new Error('no') });
      expect(await rejectionOf(queue.addCollector(broken))).toBeInstanceOf(LifecycleError);
      expect((await publisher.publish(1).wait()).oks()).toEqual(['a', 'b']);
      await queue.shutDownQueue();
      expect(diary.entries).toEqual(['a up', 'b up', 'c up', 'b down', 'a down']);
    },
  },

  removeCollector: { kept: removes, differently: removes },
} satisfies Checks;
