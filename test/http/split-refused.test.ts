import type { EmitterEvent } from 'collector-queue/emitter';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { type Answer, acted, emitterTo, farSide, ids, idsOf, inputIds } from './scene.ts';
import { eventsOf } from './server.ts';

const numRuns = Number(process.env.FC_RUNS);

interface Refusing {
  readonly count: number;
  readonly bad: (eid: string) => boolean;
  readonly splitRefused?: boolean;
  readonly status?: number;
  readonly batchSize?: number;
}

/** What becomes of so many events at a server that refuses each request with a bad one in it. */
async function refusing({ count, bad, splitRefused = true, status = 400, batchSize = count }: Refusing) {
  const clock = new ManualClock(0, 1_700_000_000_000);
  const far = farSide(clock);
  const dead: (readonly EmitterEvent[])[] = [];
  const taken: string[] = [];
  const sizes: number[] = [];
  const answer: typeof fetch = async (url, init = {}) => {
    await far.fetch(url, init);
    const eids = eventsOf({ method: 'POST', url: '', body: Buffer.from(String(init.body)) }).map(({ eid = '' }) => eid);
    sizes.push(eids.length);
    if (eids.some(bad)) return new Response(null, { status });
    taken.push(...eids);
    return new Response(null, { status: 200 });
  };
  const scene = emitterTo('http://far.test', {
    clock,
    fetch: answer,
    splitRefused,
    batchSize,
    deadLetter: (events) => void dead.push(events),
  });
  inputIds(scene, 1, count);
  await scene.emitter.flush();
  return { ...scene, dead, taken, sizes };
}

const most = (count: number): number => 1 + 8 * Math.ceil(Math.log2(count));

describe('a request that is refused for what is in it', () => {
  test('makes dead letters of all its events by default', async () => {
    const { dead, taken } = await refusing({ count: 10, bad: (eid) => eid === '4', splitRefused: false });
    expect([dead.map(idsOf), taken]).toEqual([[ids(1, 10)], []]);
  });

  test.each([400, 422])('with %s is split, so that the bad event alone becomes a dead letter', async (status) => {
    const { dead, taken, told, emitter } = await refusing({ count: 100, bad: (eid) => eid === '37', status });
    expect(dead.map(idsOf)).toEqual([['37']]);
    expect(taken).toEqual(ids(1, 100).filter((eid) => eid !== '37'));
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 99, deadLettered: 1, retryDelay: 0 });
    expect(emitter.getMetrics().requests).toBeLessThanOrEqual(1 + 2 * 7);
    const failures = told.filter(({ outcome }) => outcome === 'failed');
    expect(failures.filter((one) => 'willRetry' in one && !one.willRetry)).toHaveLength(1);
  });

  test.each([401, 403, 410])('with %s is not split: that concerns the endpoint', async (status) => {
    const { dead, sizes } = await refusing({ count: 10, bad: () => true, status });
    expect([dead.map(idsOf), sizes]).toEqual([[ids(1, 10)], [10]]);
  });

  test('is not split where the user has it tried again', async () => {
    const { emitter, far } = acted([400], { batchSize: 4, splitRefused: true, customRetryCodes: { 400: true } });
    inputIds({ emitter }, 1, 4);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 4)]);
    expect(emitter.getMetrics()).toMatchObject({ size: 4, deadLettered: 0 });
  });

  test('goes on where it was, when the server fails in between', async () => {
    const answers: Answer[] = [400, 200, 503];
    const { emitter, far } = acted(answers, { batchSize: 4, splitRefused: true });
    inputIds({ emitter }, 1, 4);
    await emitter.flush();
    expect(emitter.getMetrics()).toMatchObject({ size: 2, sent: 2, deadLettered: 0 });
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 4), ids(1, 2), ids(3, 4), ids(3, 4)]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 4, deadLettered: 0 });
  });

  test('costs a bounded number of requests, whatever is refused, and loses nothing', async () => {
    const scenes = fc.record({
      count: fc.integer({ min: 2, max: 120 }),
      bad: fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 20 }),
    });
    const check = async ({ count, bad }: { count: number; bad: number[] }): Promise<void> => {
      const wrong = new Set(bad.filter((n) => n <= count).map(String));
      const { dead, taken, sizes } = await refusing({ count, bad: (eid) => wrong.has(eid) });
      const refused = dead.flatMap(idsOf) as string[];
      expect([...taken, ...refused].sort((a, b) => Number(a) - Number(b))).toEqual(ids(1, count));
      expect(taken.some((eid) => wrong.has(eid))).toBe(false);
      expect(sizes.length).toBeLessThanOrEqual(most(count));
      if (wrong.size <= 4) expect(new Set(refused)).toEqual(wrong);
    };
    await fc.assert(fc.asyncProperty(scenes, check), { numRuns: Math.min(numRuns, 200) });
  });
});

describe('an endpoint that refuses everything', () => {
  test('is asked no more than once for each batch after the first, until it takes something', async () => {
    let isRefusing = true;
    const { dead, sizes, taken, ...scene } = await refusing({ count: 300, batchSize: 100, bad: () => isRefusing });
    expect(sizes.length).toBeLessThanOrEqual(most(100) + 2);
    expect(sizes.slice(-2)).toEqual([100, 100]);
    expect(dead.flatMap(idsOf)).toEqual(ids(1, 300));
    isRefusing = false;
    inputIds(scene, 301, 400);
    await scene.emitter.flush();
    expect(taken).toEqual(ids(301, 400));
  });

  test('is a bad event to us again once it has taken something', async () => {
    const isBad = (eid: string): boolean => Number(eid) <= 100 || eid === '250';
    const { dead, taken } = await refusing({ count: 300, batchSize: 100, bad: isBad });
    expect(dead.flatMap(idsOf).length).toBe(101);
    expect(dead.at(-1)?.length).toBe(1);
    expect(taken).toHaveLength(199);
  });
});
