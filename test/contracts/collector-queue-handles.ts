import { Collector, InvalidArgumentError, Payload, WaitTimeoutError } from 'collector-queue';
import { expect } from 'vitest';
import { rejectionOf } from '../core/scene.ts';
import { type Bench, codeOf, passed, recorded, sendAccepted, until } from './collector-queue-bench.ts';
import type { Checks } from './collector-queue-types.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** One consumer that is kept busy by a payload "first" until the gate opens, and what was called so far. */
async function busy(bench: Bench) {
  const end = bench.gate();
  const called: unknown[] = [];
  const signals: AbortSignal[] = [];
  const scene = await bench.startedWith(
    async (value, { signal }) => {
      called.push(value);
      signals.push(signal);
      if (value === 'first') await end.promise;
      return value;
    },
    { concurrency: 1 },
  );
  const first = scene.publisher.publish('first');
  await until(() => called.length === 1);
  return { ...scene, first, called, signals, end };
}

/** Cancels what waits; it settles at once and never runs. */
async function cancelsWaiting(bench: Bench): Promise<void> {
  const { queue, publisher, first, called, end } = await busy(bench);
  const [event] = await sendAccepted({ queue, publisher }, [new Payload('second')]);
  if (event === undefined) throw new Error('nothing was sent');
  const reason = { user: 'left' };
  expect(event.cancel(reason)).toBe(true);
  expect(event.status).toBe('settled');
  const list = event.getResult();
  expect(list?.first()._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_CANCELLED', cause: reason });
  expect(event.cancel()).toBe(false);
  expect(await event.wait()).toBe(list);
  await bench.quiet();
  const [third] = await sendAccepted({ queue, publisher }, [new Payload('third')]);
  end.open();
  await first.wait();
  await third?.wait();
  expect(called).toEqual(['first', 'third']);
  expect(first.cancel()).toBe(false);
}

/** One of two tasks is done when their event is cancelled. */
async function keepsWhatIsDone(bench: Bench): Promise<void> {
  const end = bench.gate();
  const collectors = [new Collector('a', () => end.promise), new Collector('b', () => 'done')];
  const { publisher } = await bench.started(collectors);
  const event = publisher.publish(1);
  const keys: unknown[] = [];
  for await (const [key] of event) {
    keys.push(key);
    event.cancel('enough');
  }
  expect(keys).toEqual(['b', 'a']);
  const list = await event.wait();
  expect([list.keys(), list.oks()]).toEqual([['a', 'b'], ['done']]);
  expect(list.get('a')?._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_CANCELLED', cause: 'enough' });
}

export const handles = {
  sendAtOnce: {
    kept: async (bench) => {
      const called: unknown[] = [];
      const { publisher } = await bench.startedWith((value) => void called.push(value));
      const event = publisher.publish(1);
      expect(called).toEqual([]);
      expect(event.status).not.toBe('settled');
      await event.wait();
      expect(called).toEqual([1]);
      expect(event.status).toBe('settled');
    },
  },

  notThenable: {
    kept: async (bench) => {
      const { publisher } = await bench.startedWith((value) => value);
      const event = publisher.publish(1);
      expect('then' in event).toBe(false);
      expect(await (event as unknown)).toBe(event);
      expect((await event.wait()).oks()).toEqual([1]);
    },
  },

  id: {
    kept: async (bench) => {
      const { publisher } = await bench.startedWith(() => 1);
      const events = publisher.sendMany([new Payload(1), new Payload(1), new Payload(1)]);
      const ids = events.map(({ id }) => id);
      for (const id of ids) expect(id).toMatch(UUID);
      expect(new Set(ids).size).toBe(3);
      for (const event of events) await event.wait();
      expect(events.map(({ id }) => id)).toEqual(ids);
    },
  },

  getResult: {
    kept: async (bench) => {
      const end = bench.gate();
      const { publisher } = await bench.startedWith(() => end.promise);
      const event = publisher.publish(1);
      expect(event.getResult()).toBeUndefined();
      end.open();
      await until(() => event.getResult());
      expect(event.status).toBe('settled');
      expect(event.getResult()).toBe(event.getResult());
    },
    differently: async (bench) => {
      const { queue, publisher } = await bench.startedWith(() => 'done');
      const finished = recorded(queue, ['finished']);
      const event = publisher.publish(1);
      await until(() => finished.length === 1);
      await bench.quiet();
      expect(event.getResult()).toBeUndefined();
      const list = await event.wait();
      expect(event.getResult()).toBe(list);
      expect(event.status).toBe('settled');
    },
  },

  status: {
    kept: async (bench) => {
      const { publisher, first, end } = await busy(bench);
      const events = [first, publisher.publish('second'), publisher.publish('third', undefined, { delay: 60_000 })];
      expect(events.map(({ status }) => status)).toEqual(['running', 'waiting', 'scheduled']);
      end.open();
      for (const event of events.slice(0, 2)) await event.wait();
      expect(events.map(({ status }) => status)).toEqual(['settled', 'settled', 'scheduled']);
    },
    differently: async (bench) => {
      const { publisher, first, end } = await busy(bench);
      const events = [first, publisher.publish('second'), publisher.publish('third', undefined, { delay: 60_000 })];
      expect(events.map(({ status }) => status)).toEqual(['waiting', 'waiting', 'scheduled']);
      end.open();
      for (const event of events.slice(0, 2)) await event.wait();
      expect(events.map(({ status }) => status)).toEqual(['settled', 'settled', 'scheduled']);
    },
  },

  wait: {
    kept: async (bench) => {
      const end = bench.gate();
      const { publisher } = await bench.startedWith(() => end.promise);
      const event = publisher.publish(1);
      const waiting = [
        event.wait(),
        event.wait({ timeout: 8_000 }),
        event.wait({ signal: new AbortController().signal }),
      ];
      end.open();
      const [list, ...others] = await Promise.all(waiting);
      for (const other of [...others, await event.wait(), await event.wait({ timeout: 0 })]) expect(other).toBe(list);
    },
  },

  waitLimit: {
    kept: async (bench) => {
      const end = bench.gate();
      const { publisher } = await bench.startedWith(() => end.promise, { waitTimeout: 50 });
      const waiting = publisher.publish(1).wait();
      await passed(100);
      end.open();
      expect((await waiting).isOk()).toBe(true);
    },
    not: async (bench) => {
      const end = bench.gate();
      const { publisher } = await bench.startedWith(() => end.promise, { waitTimeout: 50 });
      const event = publisher.publish(1);
      expect(await rejectionOf(event.wait())).toBeInstanceOf(WaitTimeoutError);
      const endless = (async () => event.wait({ timeout: Number.POSITIVE_INFINITY }))();
      expect(await rejectionOf(endless)).toBeInstanceOf(InvalidArgumentError);
      end.open();
      expect((await event.wait({ timeout: 8_000 })).isOk()).toBe(true);
    },
  },

  waitTimeout: {
    kept: async (bench) => {
      const end = bench.gate<string>();
      const { publisher } = await bench.startedWith(() => end.promise);
      const event = publisher.publish(1);
      const error = await rejectionOf(event.wait({ timeout: 20 }));
      expect(error).toBeInstanceOf(WaitTimeoutError);
      expect(error).toMatchObject({ code: 'CQ_WAIT_TIMEOUT', retryable: true });
      for (const timeout of [-1, Number.NaN, '5']) {
        const refused = await rejectionOf((async () => event.wait({ timeout: timeout as number }))());
        expect(refused).toBeInstanceOf(InvalidArgumentError);
        expect(String(refused)).toContain('timeout');
      }
      end.open('late');
      expect((await event.wait()).oks()).toEqual(['late']);
    },
  },

  waitSignal: {
    kept: async (bench) => {
      const end = bench.gate<string>();
      const { publisher } = await bench.startedWith(() => end.promise);
      const event = publisher.publish(1);
      const controller = new AbortController();
      const waiting = rejectionOf(event.wait({ signal: controller.signal }));
      controller.abort('enough');
      expect(await waiting).toBe('enough');
      expect(await rejectionOf(event.wait({ signal: AbortSignal.abort('before') }))).toBe('before');
      end.open('late');
      expect((await event.wait()).oks()).toEqual(['late']);
    },
  },

  ignored: {
    kept: async (bench) => {
      const unhandled: unknown[] = [];
      const note = (reason: unknown): void => void unhandled.push(reason);
      process.on('unhandledRejection', note);
      try {
        const { queue, publisher } = await bench.startedWith(async (value) => {
          throw new Error(value);
        });
        const failed = recorded(queue, ['error-task']);
        for (const value of ['one', 'two', 'three']) void publisher.publish(value);
        publisher.publish('four').cancel();
        await until(() => failed.length >= 3);
        await bench.quiet();
        expect(unhandled).toEqual([]);
      } finally {
        process.off('unhandledRejection', note);
      }
    },
  },

  cancelWaiting: { kept: cancelsWaiting, differently: cancelsWaiting },

  cancelRunning: {
    kept: async (bench) => {
      const { queue, first, signals, end } = await busy(bench);
      expect(first.cancel('enough')).toBe(true);
      expect(first.getResult()?.first()._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_CANCELLED', cause: 'enough' });
      expect(signals[0]?.aborted).toBe(true);
      end.open();
      await until(() => queue.getMetrics().late === 1);
    },
    differently: async (bench) => {
      const { queue, first, end } = await busy(bench);
      const finished = recorded(queue, ['finished']);
      expect(first.cancel('enough')).toBe(true);
      const list = first.getResult();
      expect(list?.first()._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_CANCELLED', cause: 'enough' });
      end.open();
      await until(() => finished.length === 1);
      expect(await first.wait()).toBe(list);
    },
  },

  cancelPartly: { kept: keepsWhatIsDone, differently: keepsWhatIsDone },

  sendSignal: {
    kept: async (bench) => {
      const { queue, publisher, called, end, first } = await busy(bench);
      const controller = new AbortController();
      const event = publisher.publish('second', undefined, { signal: controller.signal });
      controller.abort('enough');
      expect(await codeOf(event)).toBe('CQ_CANCELLED');
      expect(event.getResult()?.first()._unsafeUnwrapErr().cause).toBe('enough');
      expect(await codeOf(publisher.publish('third', undefined, { signal: controller.signal }))).toBe('CQ_CANCELLED');
      await bench.quiet();
      const [fourth] = await sendAccepted({ queue, publisher }, [new Payload('fourth')]);
      end.open();
      await first.wait();
      await fourth?.wait();
      expect(called).toEqual(['first', 'fourth']);
    },
  },

  iteration: {
    kept: async (bench) => {
      const gates = { a: bench.gate(), b: bench.gate() };
      const collectors = (['a', 'b'] as const).map(
        (key) => new Collector(key, () => gates[key].promise.then(() => key)),
      );
      const { publisher } = await bench.started(collectors);
      const event = publisher.publish(1);
      const came: unknown[] = [];
      gates.b.open();
      for await (const [key, result] of event) {
        came.push([key, result._unsafeUnwrap()]);
        gates.a.open();
      }
      expect(came).toEqual([
        ['b', 'b'],
        ['a', 'a'],
      ]);
      expect(event.status).toBe('settled');
    },
  },

  iterationLate: {
    kept: async (bench) => {
      const { publisher } = await bench.started(['a', 'b', 'c'].map((key) => new Collector(key, () => key)));
      const event = publisher.publish(1);
      await event.wait();
      const keys: unknown[] = [];
      for await (const [key, result] of event) keys.push([key, result._unsafeUnwrap()]);
      expect(keys).toEqual([
        ['a', 'a'],
        ['b', 'b'],
        ['c', 'c'],
      ]);
      const nobody: unknown[] = [];
      for await (const [key, result] of publisher.publish(1, { keys: 'nobody' })) nobody.push([key, result.isOk()]);
      expect(nobody).toEqual([[undefined, true]]);
    },
  },
} satisfies Checks;
