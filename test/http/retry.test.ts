import { HttpRequestError, HttpStatusError } from 'collector-queue/http';
import { describe, expect, test, vi } from 'vitest';
import { settlePromises } from '../../src/testing/manual-clock.ts';
import { gate, isSettled } from '../core/scene.ts';
import { acted, ids, inputIds, still } from './scene.ts';

/** A reply that asks to be left alone. */
function unavailable(value: string): Response {
  return new Response(null, { status: 503, headers: { 'retry-after': value } });
}

describe('the delay after failures', () => {
  test.each([
    [0, [0, 0, 0, 0, 0, 0, 0, 0]],
    [0.5, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
    [1 - 2 ** -53, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]],
  ])('is a random part, here %d, of a bound that doubles from a second to a minute', async (part, delays) => {
    vi.spyOn(Math, 'random').mockReturnValue(part);
    const { emitter, far, told } = acted([], { otherwise: 500 });
    inputIds({ emitter }, 1);
    for (const _ of delays) await emitter.flush();
    const expected = delays.map((delay) => expect.closeTo(delay, 5));
    expect(told.slice(0, delays.length)).toMatchObject(expected.map((delay, at) => ({ delay, attempt: at + 1 })));
    expect(far.batches.slice(0, delays.length)).toEqual(delays.map(() => ['1']));
  });

  test('is what the emitter waits before it tries again, by itself', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, far, clock } = acted([500, 500, 500]);
    inputIds({ emitter }, 1, 10);
    await clock.advance(60_000);
    expect(far.requests.map(({ at }) => at)).toEqual([0, 500, 1_500, 3_500]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 10, requests: 4, failedRequests: 3 });
  });

  test('is never more than maxRetryDelay', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    const { emitter, told } = acted([], { otherwise: 500, maxRetryDelay: 100 });
    inputIds({ emitter }, 1);
    for (let flush = 0; flush < 20; flush++) await emitter.flush();
    for (const one of told) expect(one).toMatchObject({ delay: expect.closeTo(99.9) });
  });

  test('is none with maxRetryDelay: 0', async () => {
    const { emitter, far, clock } = acted([500, 500], { maxRetryDelay: 0 });
    inputIds({ emitter }, 1, 10);
    await clock.advance(0);
    expect(far.requests).toHaveLength(3);
    expect(far.requests.map(({ at }) => at)).toEqual([0, 0, 0]);
  });

  test('is told by the metrics, and runs down', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, clock } = acted([500]);
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    expect(emitter.getMetrics().retryDelay).toBe(500);
    await clock.advance(300);
    expect(emitter.getMetrics().retryDelay).toBe(200);
    await clock.advance(300);
    expect(emitter.getMetrics().retryDelay).toBe(0);
  });

  test('begins anew after a success', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, told } = acted([500, 500, 500, 200, 500]);
    inputIds({ emitter }, 1);
    for (let flush = 0; flush < 4; flush++) await emitter.flush();
    inputIds({ emitter }, 2);
    await emitter.flush();
    expect(told).toMatchObject([
      { outcome: 'failed', attempt: 1, delay: 500 },
      { outcome: 'failed', attempt: 2, delay: 1_000 },
      { outcome: 'failed', attempt: 3, delay: 2_000 },
      { outcome: 'sent', attempt: 4 },
      { outcome: 'failed', attempt: 1, delay: 500 },
    ]);
  });

  test('is kept by every concurrent request, and by events that come meanwhile', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    const { emitter, far, clock } = acted([500], { concurrency: 4, batchSize: 1, method: 'get' });
    inputIds({ emitter }, 1);
    await clock.turn();
    expect(far.requests).toHaveLength(1);
    for (let id = 2; id <= 9; id++) {
      inputIds({ emitter }, id);
      await clock.advance(100);
    }
    expect(far.requests).toHaveLength(1);
    await clock.advance(200);
    expect(far.batches.slice(1).flat().sort()).toEqual(ids(1, 9));
  });

  test('counts requests that fail together as one failure', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const together = gate<number>();
    const answers = [together.promise, together.promise, together.promise];
    const { emitter, told, clock } = acted(answers, { concurrency: 3, batchSize: 1 });
    inputIds({ emitter }, 1, 3);
    await clock.turn();
    together.open(500);
    await clock.turn();
    expect(told).toMatchObject([
      { attempt: 1, delay: 500 },
      { attempt: 1, delay: 500 },
      { attempt: 1, delay: 500 },
    ]);
    expect(emitter.getMetrics().retryDelay).toBe(500);
  });

  test('is not forgotten for a success that was under way beside the failure', async () => {
    const slow = gate<number>();
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, clock, far } = acted([slow.promise, 500], { concurrency: 2, batchSize: 1 });
    inputIds({ emitter }, 1, 2);
    await clock.turn();
    slow.open(200);
    await clock.turn();
    expect(emitter.getMetrics()).toMatchObject({ sent: 1, retryDelay: 500 });
    await clock.advance(499);
    expect(far.requests).toHaveLength(2);
    await clock.advance(1);
    expect(far.batches).toEqual([['1'], ['2'], ['2']]);
  });

  test('of a request that fails long after the others is told as an attempt, not as none', async () => {
    const slow = gate<number>();
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, clock, told } = acted([slow.promise, 500], { concurrency: 2, batchSize: 1 });
    inputIds({ emitter }, 1, 2);
    await clock.advance(500);
    expect(told).toMatchObject([{ outcome: 'failed' }, { outcome: 'sent' }]);
    slow.open(500);
    await clock.turn();
    expect(told[2]).toMatchObject({ outcome: 'failed', attempt: 1 });
  });
});

test('a GET answered by 500 and then by 200 loses nothing', async () => {
  const { emitter, clock, far } = acted([500, 200], { method: 'get' });
  inputIds({ emitter }, 1, 2);
  await clock.advance(5_000);
  expect(far.batches).toEqual([['1'], ['1'], ['2']]);
  expect(emitter.getMetrics()).toMatchObject({ sent: 2, size: 0 });
});

test('stm is the time of each attempt', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const start = 1_700_000_000_000;
  for (const method of ['post', 'get'] as const) {
    const { emitter, clock, far } = acted([500, 500], { method });
    inputIds({ emitter }, 1);
    await clock.advance(10_000);
    const stamps = far.requests.map(({ url, body }) =>
      method === 'post' ? JSON.parse(body).data[0].stm : new URL(url).searchParams.get('stm'),
    );
    expect(stamps).toEqual(far.requests.map(({ at }) => String(start + at)));
    expect(new Set(stamps).size).toBe(3);
  }
});

test('at concurrency 1 events arrive in order, whatever fails, even with no delay at all', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
  const answers = [200, 500, 500, 200, 500, 200, 200, 500];
  const { emitter, clock, far } = acted(answers, { batchSize: 2 });
  inputIds({ emitter }, 1, 11);
  await clock.advance(1_000);
  const arrived = far.batches.filter((_, at) => (answers[at] ?? 200) === 200);
  expect(arrived.flat()).toEqual(ids(1, 11));
});

describe('Retry-After', () => {
  const now = 1_700_000_000_000;

  test.each([
    ['120', 120_000],
    ['0.5', 500],
    [' 7 ', 7_000],
    [new Date(now + 90_000).toUTCString(), 90_000],
    ['3600', 3_600_000],
    ['3601', 3_600_000],
    ['1e12', 3_600_000],
    ['99999999999999999999', 3_600_000],
    [new Date(now + 1e10).toUTCString(), 3_600_000],
  ])('of %j is honoured, up to an hour', async (value, delay) => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { emitter, clock, far, told } = acted([unavailable(value)]);
    inputIds({ emitter }, 1, 10);
    await clock.advance(delay - 1);
    expect(far.requests).toHaveLength(1);
    await clock.advance(1);
    expect(far.requests).toHaveLength(2);
    expect(told[0]).toMatchObject({ status: 503, delay, willRetry: true });
  });

  test.each([
    ['-1'],
    ['-1e12'],
    ['NaN'],
    ['soon'],
    [''],
    ['12 s'],
    ['1,000'],
    ['Wed, 99 Foo 2099 00:00:00 GMT'],
    ['Mon'],
    [new Date(now - 90_000).toUTCString()],
    ['0'],
    ['2023-11-15'],
  ])('of %j adds nothing to the delay', async (value) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.25);
    const { emitter, clock, told } = acted([unavailable(value)]);
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    expect(told[0]).toMatchObject({ delay: 250 });
  });

  test('never shortens the delay', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const { emitter, told } = acted([500, 500, 500, unavailable('1')]);
    inputIds({ emitter }, 1);
    for (let flush = 0; flush < 4; flush++) await emitter.flush();
    expect(told[3]).toMatchObject({ delay: 4_000 });
  });

  test('is honoured up to maxRetryAfter, which may be more or less than maxRetryDelay', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    for (const [maxRetryAfter, delay] of [
      [5_000, 5_000],
      [0, 0],
      [2 ** 31 - 1, 1e9],
    ] as const) {
      const { emitter, clock, told } = acted([unavailable('1000000')], { maxRetryAfter });
      inputIds({ emitter }, 1, 10);
      await clock.turn();
      expect(told[0]).toMatchObject({ delay });
    }
  });

  test('is honoured with any status that is tried again', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    for (const status of [301, 307, 404, 408, 425, 429, 500, 502, 504]) {
      const { emitter, clock, told } = acted([new Response(null, { status, headers: { 'retry-after': '9' } })]);
      inputIds({ emitter }, 1, 10);
      await clock.turn();
      expect(told[0]).toMatchObject({ status, delay: 9_000 });
    }
  });

  test('of the longest of concurrent requests counts', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const together = gate();
    const answers = ['5', '60', '10'].map((value) => together.promise.then(() => unavailable(value)));
    const { emitter, clock, far } = acted(answers, { concurrency: 3, batchSize: 1 });
    inputIds({ emitter }, 1, 3);
    await clock.turn();
    together.open();
    await clock.advance(59_999);
    expect(far.requests).toHaveLength(3);
    await clock.advance(1);
    expect(far.requests).toHaveLength(6);
  });
});

describe('flush', () => {
  test('tries at once, whatever the back-off or Retry-After', async () => {
    const { emitter, far, clock } = acted([unavailable('3600'), 500, 200]);
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    await emitter.flush();
    expect(emitter.getMetrics().size).toBe(3);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 3), ids(1, 3), ids(1, 3)]);
    expect(far.requests.map(({ at }) => at)).toEqual([0, 0, 0]);
    expect(emitter.getMetrics().size).toBe(0);
    await clock.advance(1e7);
    expect(far.requests).toHaveLength(3);
  });

  test.each([
    [1, 1],
    [1, 10],
    [1, 11],
    [1, 20],
    [1, 35],
    [2, 20],
    [2, 35],
    [3, 100],
  ])('resolves although the server is dead: at concurrency %d, with %d events', async (concurrency, count) => {
    for (const slowness of [0, 3]) {
      const fetch = async (): Promise<Response> => {
        for (let turn = 0; turn < slowness; turn++) await settlePromises();
        return unavailable('3600');
      };
      const { emitter } = acted([], { fetch, concurrency });
      for (let flush = 1; flush <= 3; flush++) {
        if (flush === 1) inputIds({ emitter }, 1, count);
        await emitter.flush();
        const { requests, ...others } = emitter.getMetrics();
        expect(others).toMatchObject({ size: count, inFlight: 0, retryDelay: 3_600_000 });
        expect(requests).toBeLessThanOrEqual(concurrency * flush);
      }
    }
  });

  test('resolves although there is no answer at all, once the request has had its time', async () => {
    const { emitter, clock } = acted([new Promise<never>(() => undefined)]);
    inputIds({ emitter }, 1, 20);
    const flushed = emitter.flush();
    await clock.advance(29_999);
    expect(await isSettled(flushed)).toBe(false);
    await clock.advance(1);
    expect(await isSettled(flushed)).toBe(true);
  });

  test('waits for everything that was buffered, and not for what comes later', async () => {
    const { emitter, clock, far } = acted();
    inputIds({ emitter }, 1, 25);
    const flushed = emitter.flush();
    await flushed;
    expect(far.batches).toEqual([ids(1, 10), ids(11, 20), ids(21, 25)]);
    inputIds({ emitter }, 26);
    await still({ clock });
    expect(far.batches).toHaveLength(3);
  });

  test('waits for what is in flight already', async () => {
    const first = gate<number>();
    const { emitter, clock } = acted([first.promise]);
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    const flushed = emitter.flush();
    expect(await isSettled(flushed)).toBe(false);
    first.open(200);
    await flushed;
    expect(emitter.getMetrics()).toMatchObject({ sent: 10, size: 0 });
  });

  test('with wait: false only starts it', async () => {
    const { emitter, far, clock } = acted([new Promise<never>(() => undefined)]);
    inputIds({ emitter }, 1);
    await emitter.flush({ wait: false });
    await clock.turn();
    expect(far.batches).toEqual([['1']]);
    expect(emitter.getMetrics()).toMatchObject({ inFlight: 1 });
  });

  test('of nothing resolves at once, and sends nothing', async () => {
    const { emitter, far, clock } = acted();
    await emitter.flush();
    await emitter.flush({ wait: true });
    expect(far.requests).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('of a closed emitter resolves', async () => {
    const { emitter } = acted();
    inputIds({ emitter }, 1);
    await emitter.close();
    await emitter.flush();
  });

  test('by several callers at once sends each event once', async () => {
    const { emitter, far } = acted();
    inputIds({ emitter }, 1, 25);
    await Promise.all([emitter.flush(), emitter.flush(), emitter.flush()]);
    expect(far.batches.flat()).toEqual(ids(1, 25));
  });

  test('by several callers resolves for each of them on a dead server', async () => {
    const { emitter } = acted([], { otherwise: 500 });
    inputIds({ emitter }, 1, 25);
    await Promise.all([emitter.flush(), emitter.flush(), emitter.flush()]);
    expect(emitter.getMetrics().size).toBe(25);
  });
});

describe('a failed attempt', () => {
  test('is told with its status or without, and with its cause', async () => {
    const { emitter, told } = acted([500, new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })]);
    inputIds({ emitter }, 1);
    await emitter.flush();
    await emitter.flush();
    expect(told).toMatchObject([
      { status: 500, error: { code: 'CQ_HTTP_STATUS', status: 500, retryable: true }, willRetry: true },
      { status: undefined, error: { code: 'CQ_HTTP_REQUEST', retryable: true }, willRetry: true },
    ]);
    const [first, second] = told.map((one) => (one.outcome === 'failed' ? one.error : undefined));
    expect(first).toBeInstanceOf(HttpStatusError);
    expect(second).toBeInstanceOf(HttpRequestError);
    expect(second?.message).toContain('ECONNREFUSED');
    expect(second?.cause).toEqual(new Error('ECONNREFUSED'));
  });

  test('by a fetch that throws at once, or answers nonsense, is one like any other', async () => {
    const answers = [
      () => {
        throw 'a string';
      },
      async () => undefined,
      async () => ({}),
    ];
    const { emitter, told } = acted([], { fetch: (() => answers.shift()?.()) as unknown as typeof fetch });
    inputIds({ emitter }, 1);
    for (let flush = 0; flush < 3; flush++) await emitter.flush();
    expect(told).toMatchObject(told.map(() => ({ outcome: 'failed', willRetry: true, status: undefined })));
    expect(told).toHaveLength(3);
  });
});
