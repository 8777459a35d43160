import { describe, expect, test } from 'vitest';
import { gate } from '../core/scene.ts';
import { type Answer, acted, ids, inputIds, still, wired } from './scene.ts';
import { byHand, status } from './server.ts';

describe('concurrency', () => {
  test.each([1, 2, 5])('%d means so many requests at once, and never more', async (concurrency) => {
    const answers = Array.from({ length: 12 }, () => gate<number>());
    const scene = acted(
      answers.map(({ promise }) => promise),
      { concurrency, batchSize: 2 },
    );
    inputIds(scene, 1, 24);
    await scene.clock.turn();
    for (const answer of answers) {
      expect(scene.far.requests.length - answers.indexOf(answer)).toBe(
        Math.min(concurrency, answers.length - answers.indexOf(answer)),
      );
      answer.open(200);
      await scene.clock.turn();
    }
    expect(scene.far.most).toBe(concurrency);
    expect(scene.far.batches.flat()).toEqual(ids(1, 24));
  });

  test('is requests over as many connections, on a real server', async () => {
    const held = byHand();
    const scene = await wired([], { concurrency: 3, batchSize: 1, otherwise: held.behaviour });
    inputIds(scene, 1, 9);
    await scene.server.received(3);
    await still(scene);
    expect(held.waiting).toBe(3);
    expect(scene.server.connections).toBe(3);
    for (let answered = 1; answered <= 9; answered++) {
      held.answer();
      await scene.attempts(answered);
      await scene.server.received(Math.min(9, answered + 3));
    }
    expect(new Set(scene.server.events.map(({ eid }) => eid))).toEqual(new Set(ids(1, 9)));
  });

  test.each(['post', 'get'] as const)('of 1 keeps the order, %s', async (method) => {
    const answers: Answer[] = [500, 200, 500, 500, 200, 413, 200];
    const { emitter, far, clock } = acted(answers, { method, batchSize: 3, deadLetter: () => undefined });
    inputIds({ emitter }, 1, 10);
    await clock.advance(60_000);
    const delivered = far.batches.filter((_, at) => (answers[at] ?? 200) === 200).flat();
    expect(delivered).toEqual(delivered.toSorted((a, b) => Number(a) - Number(b)));
    expect(emitter.getMetrics()).toMatchObject({ size: 0 });
  });

  test('lets GETs of one batch go side by side', async () => {
    const answers = [gate<number>(), gate<number>(), gate<number>()];
    const scene = acted(
      answers.map(({ promise }) => promise),
      { method: 'get', batchSize: 3, concurrency: 3 },
    );
    inputIds(scene, 1, 3);
    await scene.clock.turn();
    expect(scene.far.batches).toEqual([['1'], ['2'], ['3']]);
    for (const answer of answers) answer.open(200);
    await scene.emitter.flush();
  });

  test('does not lose what a failing neighbour had no part in', async () => {
    const slow = gate<number>();
    const { emitter, clock, far } = acted([slow.promise, 500, 500], { concurrency: 3, batchSize: 2 });
    inputIds({ emitter }, 1, 6);
    await clock.turn();
    slow.open(200);
    await clock.advance(10_000);
    expect(far.batches.slice(0, 2)).toEqual([ids(1, 2), ids(3, 4)]);
    expect(emitter.getMetrics()).toMatchObject({ sent: 6, size: 0, inFlight: 0 });
    expect(far.batches.slice(2).flat().sort()).toEqual(expect.arrayContaining(ids(3, 6)));
  });
});

describe('rateLimit', () => {
  /** The most requests within any window of this length. */
  function most(times: readonly number[], interval: number): number {
    return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + interval).length));
  }

  // The limit is kept by p-queue, on the machine's clock.
  test.each([
    ['of batches', { batchSize: 1 }, []],
    ['of GETs that came together', { method: 'get', batchSize: 6 }, []],
    ['of the halves of what was too large', { batchSize: 6 }, [status(413), status(413), status(413)]],
    ['side by side', { batchSize: 1, concurrency: 4 }, []],
  ] as const)('is how many requests begin in any window: %s', async (_, options, script) => {
    const interval = 150;
    const times: number[] = [];
    const timed: typeof fetch = (...request) => {
      times.push(performance.now());
      return fetch(...request);
    };
    const scene = await wired(script, { ...options, rateLimit: { requests: 2, interval }, fetch: timed });
    inputIds(scene, 1, 6);
    await scene.emitter.flush();
    expect(scene.emitter.getMetrics()).toMatchObject({ size: 0, sent: 6 });
    expect(scene.server.requests).toHaveLength(times.length);
    expect(times.length).toBeGreaterThan(4);
    // A busy machine may hold one up between its turn and here: it comes a little nearer to the next.
    expect(most(times, interval - 20)).toBeLessThanOrEqual(2);
  });

  test('does not keep close waiting', async () => {
    const scene = await wired([], { batchSize: 1, rateLimit: { requests: 1, interval: 600_000 }, concurrency: 2 });
    inputIds(scene, 1, 5);
    await scene.attempts(1);
    const closing = scene.emitter.close({ timeout: 100 });
    await scene.clock.advance(100);
    expect(await closing).toEqual({ undelivered: 4 });
    expect(scene.server.requests).toHaveLength(1);
  });

  test('does not let a request begin that a failure has overtaken', async () => {
    const scene = await wired([status(500)], {
      batchSize: 1,
      concurrency: 2,
      rateLimit: { requests: 1, interval: 100 },
      maxRetryDelay: 60_000,
    });
    inputIds(scene, 1, 2);
    await scene.attempts(1);
    // The second has its turn after 100 ms: by then the server is to be left alone.
    await scene.emitter.close();
    expect(scene.told.filter(({ outcome }) => outcome === 'failed')).toHaveLength(1);
  });
});
