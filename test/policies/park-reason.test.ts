import {
  BatchCollector,
  Collector,
  type CollectorOptions,
  err,
  type ParkReason,
  Payload,
  RetryTask,
  type TaskPolicy,
} from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { type Scene, started } from '../core/scene.ts';
import { hanging, oneCollector, recorded } from './scene.ts';

/** The reasons told of each payload, in order, as far as the queue comes in two seconds. */
async function reasonsOf(scene: Scene, send: () => readonly { readonly id: string }[]): Promise<string[][]> {
  const told = recorded(scene, ['parked']);
  const events = send();
  await scene.clock.advance(2_000);
  const reasons = events.map(({ id }) => told.filter((one) => one.id === id).map(({ reason }) => reason));
  await scene.clock.advance(20_000);
  await scene.queue.shutDownQueue();
  return reasons;
}

/** Two payloads at a time for a collector whose first attempts fail and whose calls take half a second. */
async function reasonsOfTwo(options: CollectorOptions): Promise<string[][]> {
  let clock: Scene['clock'];
  const scene = await oneCollector(
    (_, { number }) =>
      new Promise((resolve) => {
        clock.setTimer(() => resolve(number === 1 && options.retry !== undefined ? err('no') : 'done'), 500);
      }),
    options,
    { maxConsumers: 2 },
  );
  clock = scene.clock;
  return await reasonsOf(scene, () => scene.publisher.sendMany([new Payload(1), new Payload(2)]));
}

describe('a parked task says what it waits for:', () => {
  const parkOnce = (when: 'before' | 'after'): TaskPolicy => {
    const known = new WeakSet();
    const ask = (task: Parameters<Required<TaskPolicy>['after']>[0]): 'park' | undefined => {
      if (known.has(task.chain)) return undefined;
      known.add(task.chain);
      task.resumeAt(100);
      return 'park';
    };
    return when === 'before' ? { before: (task) => ask(task) ?? 'run' } : { after: (task) => ask(task) ?? 'settle' };
  };
  const options: [ParkReason, CollectorOptions, string[][]][] = [
    ['partition', { partitionBy: () => 'key' }, [[], ['partition']]],
    ['delay', { delay: 100 }, [['delay'], ['delay']]],
    ['policy', { policies: [parkOnce('before')] }, [['policy'], ['policy']]],
    ['policy', { policies: [parkOnce('after')] }, [['policy'], ['policy']]],
    ['rate-limit', { rateLimit: { limit: 1, interval: 1_000 } }, [[], ['rate-limit']]],
    ['concurrency', { concurrency: 1 }, [[], ['concurrency']]],
    ['lock', { lock: { name: 'one', delay: 10_000 } }, [[], ['lock']]],
    ['retry', { retry: { attempts: 2, base: 0 } }, [['retry'], ['retry']]],
  ];
  test.each(options)('%s', async (_, option, reasons) => {
    expect(await reasonsOfTwo(option)).toEqual(reasons);
  });

  test('retry, if the processor asks for it', async () => {
    const scene = await oneCollector((_, { number }) => err(number === 1 ? new RetryTask({ delay: 10 }) : 'no'));
    expect(await reasonsOf(scene, () => [scene.publisher.publish(1)])).toEqual([['retry']]);
  });

  test('batch, of all that do not complete it', async () => {
    const scene = await started([new BatchCollector('a', () => undefined, { batch: { maxCount: 3, maxWait: 100 } })]);
    const send = () => scene.publisher.sendMany([1, 2, 3, 4].map((value) => new Payload(value)));
    expect(await reasonsOf(scene, send)).toEqual([['batch'], ['batch'], [], ['batch']]);
  });

  test('one after another', async () => {
    const all = { partitionBy: () => 'key', delay: 100, retry: { attempts: 2, base: 0 } };
    const [first, second] = await reasonsOfTwo({ ...all, rateLimit: { limit: 1, interval: 600 } });
    expect(first).toEqual(['delay', 'retry', 'rate-limit']);
    expect(second?.slice(0, 2)).toEqual(['partition', 'rate-limit']);
  });

  test('also to each of several collectors, by what its own options are', async () => {
    const work = hanging();
    const scene = await started([
      new Collector('a', () => work.process(0, undefined as never), { concurrency: 1 }),
      new Collector('b', () => 'b', { delay: 100 }),
    ]);
    const told = recorded(scene, ['parked']);
    scene.publisher.sendMany([new Payload(1), new Payload(2)]);
    await scene.clock.turn();
    expect(told.map(({ task, reason }) => [task, reason])).toEqual([
      ['b', 'delay'],
      ['a', 'concurrency'],
      ['b', 'delay'],
    ]);
    work.end();
    await scene.clock.advance(100);
    work.end();
    await scene.queue.shutDownQueue();
  });
});
