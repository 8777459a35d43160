import { HttpEmitter, json, ndjson, snowplow } from 'collector-queue/http';
import { describe, expect, test, vi } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { gate } from '../core/scene.ts';
import { acted, event, farSide, ids, idsOf, inputIds, still, wired } from './scene.ts';
import { byHand, redirect, retryAfter, serve, status } from './server.ts';
import { SlowStore } from './stores.ts';

describe('a status of', () => {
  test.each([200, 201, 202, 204, 206, 299])('%d is a success', async (code) => {
    const scene = await wired([status(code)]);
    inputIds(scene, 1, 2);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ outcome: 'sent', status: code, attempt: 1 }]);
    expect(scene.emitter.getMetrics()).toMatchObject({ sent: 2, size: 0, failedRequests: 0 });
  });

  test.each([400, 401, 403, 410, 422])('%d is permanent: dead letter, and no second attempt', async (code) => {
    const letters: unknown[] = [];
    const scene = await wired([status(code)], {
      deadLetter: (events, reason) => letters.push([idsOf(events), (reason as { status?: number }).status]),
    });
    inputIds(scene, 1, 2);
    await scene.emitter.flush();
    await scene.emitter.flush();
    expect(letters).toEqual([[ids(1, 2), code]]);
    expect(scene.server.requests).toHaveLength(1);
    expect(scene.told).toMatchObject([
      { outcome: 'failed', status: code, willRetry: false, delay: 0, attempt: 1, error: { retryable: false } },
    ]);
    expect(scene.emitter.getMetrics()).toMatchObject({ size: 0, sent: 0, deadLettered: 2, failedRequests: 1 });
  });

  test.each([404, 405, 408, 418, 425, 429, 451, 500, 501, 502, 503, 504, 599])('%d is tried again', async (code) => {
    const scene = await wired([status(code)]);
    inputIds(scene, 1, 2);
    await scene.emitter.flush();
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([
      { outcome: 'failed', status: code, willRetry: true, error: { retryable: true } },
      { outcome: 'sent', attempt: 2 },
    ]);
    expect(scene.server.requests).toHaveLength(2);
  });

  test('500, then 503 with Retry-After, then 200 delivers once, after the time that was asked for', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const scene = await wired([status(500), retryAfter(503, '7')]);
    inputIds(scene, 1, 10);
    await scene.attempts(1);
    await still(scene);
    await scene.clock.advance(500);
    await scene.attempts(2);
    await still(scene);
    await scene.clock.advance(6_999);
    expect(scene.server.requests).toHaveLength(2);
    await scene.clock.advance(1);
    await scene.attempts(3);
    expect(scene.told.map((one) => one.outcome)).toEqual(['failed', 'failed', 'sent']);
    expect(scene.emitter.getMetrics()).toMatchObject({ sent: 10, size: 0 });
  });

  test.each(['-1', 'junk', ''])('429 with a Retry-After of %j is tried again after the usual delay', async (value) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const scene = await wired([retryAfter(429, value)]);
    inputIds(scene, 1);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ status: 429, delay: 500 }]);
  });

  test('503 with a Retry-After of 1e12, or of a date, is tried again in an hour at most', async () => {
    const scene = await wired([retryAfter(503, '1e12'), retryAfter(503, new Date(1_700_000_060_000).toUTCString())]);
    inputIds(scene, 1);
    await scene.emitter.flush();
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ delay: 3_600_000 }, { delay: 60_000 }]);
  });
});

describe('customRetryCodes', () => {
  test('make a permanent code one that is tried again, and the other way round', async () => {
    const letters: unknown[] = [];
    const { emitter, told } = acted([400, 503], {
      customRetryCodes: { 400: true, 503: false },
      deadLetter: (events) => letters.push(...idsOf(events)),
    });
    inputIds({ emitter }, 1);
    await emitter.flush();
    await emitter.flush();
    expect(told).toMatchObject([
      { status: 400, willRetry: true },
      { status: 503, willRetry: false },
    ]);
    expect(letters).toEqual(['1']);
  });

  test('cannot make a success a failure: 2xx is ignored, with a warning', async () => {
    const { emitter, told, logged } = acted([204], { customRetryCodes: { 204: true, 200: false } });
    expect(logged.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'HttpEmitter: customRetryCodes: 200 is a success, and stays one',
      'HttpEmitter: customRetryCodes: 204 is a success, and stays one',
    ]);
    inputIds({ emitter }, 1);
    await emitter.flush();
    expect(told).toMatchObject([{ outcome: 'sent', status: 204 }]);
  });

  test('can end the attempts at a redirection', async () => {
    const { emitter, told } = acted([301], { customRetryCodes: { 301: false }, deadLetter: () => undefined });
    inputIds({ emitter }, 1);
    await emitter.flush();
    expect(told).toMatchObject([{ status: 301, willRetry: false }]);
  });

  test('let a lone event that is too large be tried again, if 413 is among them', async () => {
    const { emitter, far, told } = acted([413, 413, 413], { customRetryCodes: { 413: true } });
    inputIds({ emitter }, 1, 2);
    await emitter.flush();
    expect(far.batches).toEqual([['1', '2'], ['1']]);
    expect(told).toMatchObject([{ willRetry: true }, { willRetry: true, status: 413 }]);
    await emitter.flush();
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 0 + 2, deadLettered: 0 });
  });
});

describe('413', () => {
  test('halves a batch until what is too large stands alone and goes to the dead letter; all others arrive', async () => {
    const tooLarge = new Set(['3', '7']);
    const letters: unknown[] = [];
    const scene = await wired([], {
      batchSize: 8,
      deadLetter: (events, reason) => letters.push([idsOf(events), (reason as { status?: number }).status]),
      otherwise: {
        late: (response, { body }) => {
          const sent = JSON.parse(body.toString()).data.map(({ eid }: { eid: string }) => eid);
          response.writeHead(sent.some((eid: string) => tooLarge.has(eid)) ? 413 : 200).end();
        },
      },
    });
    inputIds(scene, 1, 8);
    await scene.emitter.flush();
    expect(letters).toEqual([
      [['3'], 413],
      [['7'], 413],
    ]);
    const sent = scene.told.filter(({ outcome }) => outcome === 'sent').flatMap(({ events }) => idsOf(events));
    expect(sent).toEqual(['1', '2', '4', '5', '6', '8']);
    expect(scene.emitter.getMetrics()).toMatchObject({ size: 0, sent: 6, deadLettered: 2, retryDelay: 0 });
  });

  test('of a batch is no reason to wait, and counts as no failure of the server', async () => {
    const { emitter, far, told } = acted([413], { batchSize: 4 });
    inputIds({ emitter }, 1, 4);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 4), ids(1, 2), ids(3, 4)]);
    expect(told).toMatchObject([
      { outcome: 'failed', status: 413, willRetry: true, delay: 0, sent: 0, attempt: 1 },
      { outcome: 'sent', attempt: 1 },
      { outcome: 'sent', attempt: 1 },
    ]);
  });

  test('of an odd batch leaves nothing out', async () => {
    const { emitter, far } = acted([413, 413, 413], { batchSize: 7 });
    inputIds({ emitter }, 1, 7);
    await emitter.flush();
    expect(far.batches).toEqual([ids(1, 7), ids(1, 4), ids(1, 2), ['1'], ['2'], ids(3, 4), ids(5, 7)]);
  });

  test('then 500 keeps what was not sent, in order, and tells how many were', async () => {
    const { emitter, far, told } = acted([413, 200, 500], { batchSize: 4 });
    inputIds({ emitter }, 1, 4);
    await emitter.flush();
    expect(told).toMatchObject([
      { outcome: 'failed', sent: 0, willRetry: true },
      { outcome: 'sent' },
      { outcome: 'failed', sent: 2, willRetry: true, status: 500 },
    ]);
    expect(emitter.getMetrics()).toMatchObject({ size: 2, sent: 2 });
    await emitter.flush();
    expect(far.batches.at(-1)).toEqual(ids(3, 4));
  });

  test('then the dead letter does not count as sent', async () => {
    const { emitter, told } = acted([413, 413, 500], { batchSize: 2, deadLetter: () => undefined });
    inputIds({ emitter }, 1, 2);
    await emitter.flush();
    expect(told).toMatchObject([
      { outcome: 'failed', sent: 0, willRetry: true },
      { outcome: 'failed', sent: 0, willRetry: false },
      { outcome: 'failed', sent: 0, willRetry: true, status: 500 },
    ]);
  });

  test('to a GET goes to the dead letter at once; the next event is sent', async () => {
    const letters: unknown[] = [];
    const { emitter, far } = acted([413], { method: 'get', deadLetter: (events) => letters.push(...idsOf(events)) });
    inputIds({ emitter }, 1, 2);
    await emitter.flush();
    expect(letters).toEqual(['1']);
    expect(far.batches).toEqual([['1'], ['2']]);
  });
});

describe('a redirection', () => {
  test.each([300, 301, 302, 303, 304, 305, 307, 308])('by %d is no success, and is never followed', async (code) => {
    const other = await serve();
    const scene = await wired([redirect(code, `${other.url}/elsewhere`)], {
      headers: { authorization: 'secret', cookie: 'c=1' },
      method: code === 303 ? 'get' : 'post',
    });
    inputIds(scene, 1, 2);
    await scene.emitter.flush();
    expect(scene.told).toMatchObject([{ outcome: 'failed', status: code, willRetry: true }]);
    await scene.emitter.flush();
    expect(scene.emitter.getMetrics()).toMatchObject({ size: 0, sent: 2 });
    expect(new Set(scene.server.events.map(({ eid }) => eid))).toEqual(new Set(['1', '2']));
    expect(other.connections).toBe(0);
  });

  test('to itself does not go round in circles', async () => {
    const scene = await wired([]);
    const looping = await wired([], { otherwise: redirect(302, '/') });
    inputIds(looping, 1);
    await looping.emitter.flush();
    expect(looping.server.requests).toHaveLength(1);
    expect(scene.server.requests).toEqual([]);
  });
});

describe('what callbacks are told', () => {
  test('of each attempt: its events, its status, which attempt it was, and how long it took', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    const held = byHand();
    const scene = await wired([held.behaviour, held.behaviour]);
    inputIds(scene, 1, 10);
    await scene.server.received(1);
    await scene.clock.advance(40);
    held.answer(status(500));
    await scene.attempts(1);
    await still(scene);
    await scene.clock.advance(500);
    await scene.server.received(2);
    await scene.clock.advance(70);
    held.answer();
    await scene.attempts(2);
    expect(scene.told).toEqual([
      {
        outcome: 'failed',
        sent: 0,
        events: scene.server.events.slice(0, 10),
        status: 500,
        error: expect.objectContaining({ code: 'CQ_HTTP_STATUS' }),
        willRetry: true,
        attempt: 1,
        delay: 500,
      },
      { outcome: 'sent', events: scene.server.events.slice(0, 10), status: 200, attempt: 2, duration: 70 },
    ]);
  });

  test('of GETs: one by one, with how many of the same batch were sent before', async () => {
    const { emitter, told } = acted([200, 200, 500], { method: 'get', batchSize: 4 });
    inputIds({ emitter }, 1, 4);
    await emitter.flush();
    expect(told.map((one) => [one.outcome, idsOf(one.events)])).toEqual([
      ['sent', ['1']],
      ['sent', ['2']],
      ['failed', ['3']],
    ]);
  });

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('callback');
      },
    ],
    ['rejects', () => Promise.reject(new Error('callback'))],
    ['never settles', () => new Promise(() => undefined)],
  ])('does not matter to the sender: one that %s changes nothing, and is logged', async (how, callback) => {
    const { emitter, far, logged, clock } = acted([500, 400, 200], {
      batchSize: 1,
      onSuccess: callback,
      onFailure: callback,
    });
    inputIds({ emitter }, 1, 3);
    await clock.advance(60_000);
    await emitter.flush();
    expect(far.batches).toEqual([['1'], ['1'], ['2'], ['3']]);
    const errors = logged.filter(({ fields }) => /on(Success|Failure)/.test(String(fields.source)));
    expect(errors).toHaveLength(how === 'never settles' ? 0 : 4);
  });

  test('does not matter to the sender: a logger that throws changes nothing either', async () => {
    const fails = (): never => {
      throw new Error('logger');
    };
    const clock = new ManualClock();
    const far = farSide(clock, [500, 400]);
    const logger = { info: fails, warn: fails, error: fails };
    const emitter = new HttpEmitter('http://far.test', { clock, fetch: far.fetch, logger, batchSize: 1 });
    const warnings: string[] = [];
    const listener = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', listener);
    inputIds({ emitter }, 1, 2);
    await clock.advance(60_000);
    await emitter.close();
    process.off('warning', listener);
    expect(far.batches).toEqual([['1'], ['1'], ['2']]);
    expect(warnings).toContain('the logger failed: Error: logger');
  });

  test('may input, flush and close from within', async () => {
    let left = 3;
    const scene = acted([500], {
      onSuccess: () => {
        if (left-- > 0) inputIds(scene, 10 + left);
        void scene.emitter.flush();
      },
      onFailure: () => void scene.emitter.flush(),
    });
    inputIds(scene, 1);
    await scene.emitter.flush();
    await still(scene);
    expect(scene.far.batches).toEqual([['1'], ['1'], ['12'], ['11'], ['10']]);
    const { emitter, told } = acted([200], { onSuccess: () => void emitter.close() });
    inputIds({ emitter }, 1);
    await emitter.flush();
    expect(await emitter.close()).toEqual({ undelivered: 0 });
    expect(told).toHaveLength(1);
  });
});

describe('deliver', () => {
  test('settles with the outcome of its own event', async () => {
    const { emitter } = acted([200, 400], { batchSize: 1, deadLetter: () => undefined });
    const [first, second] = await Promise.all([emitter.deliver(event(1)), emitter.deliver(event(2))]);
    expect(first._unsafeUnwrap()).toEqual({ status: 200 });
    expect(second._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_HTTP_STATUS', status: 400, retryable: false });
  });

  test('waits as long as the event is tried again', async () => {
    const { emitter, clock, far } = acted([500, 500, 500]);
    const delivering = emitter.deliver(event(1));
    await clock.advance(60_000);
    expect((await delivering)._unsafeUnwrap()).toEqual({ status: 200 });
    expect(far.requests).toHaveLength(4);
  });

  test('is an Err for an event that was thrown out at once for a younger one', async () => {
    const { emitter, clock } = acted([500], { bufferCapacity: 1, overflow: 'dropOldest', deadLetter: () => 1 });
    inputIds({ emitter }, 0);
    await clock.turn();
    const delivering = emitter.deliver(event(1));
    emitter.input(event(2));
    expect((await delivering)._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_DROPPED' });
  });

  test('is an Err for an event that was thrown out later', async () => {
    const { emitter, clock } = acted([500], { bufferCapacity: 1, overflow: 'dropOldest', deadLetter: () => 1 });
    const delivering = emitter.deliver(event(1));
    await clock.turn();
    emitter.input(event(2));
    expect((await delivering)._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_DROPPED' });
  });

  test('settles for an event that was sent before the store said that it had it', async () => {
    const said = gate();
    const eventStore = new SlowStore(async (add) => {
      const added = await add();
      await said.promise;
      return added;
    });
    const { emitter, attempts } = acted([], { eventStore, batchSize: 1 });
    const delivering = emitter.deliver(event(1));
    await emitter.open();
    await attempts(1);
    said.open();
    expect((await delivering)._unsafeUnwrap()).toEqual({ status: 200 });
  });

  test('is an Err when the emitter is closed before', async () => {
    const { emitter } = acted([], { otherwise: 500 });
    const delivering = emitter.deliver(event(1));
    await emitter.close();
    expect((await delivering)._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_EMITTER_CLOSED' });
    expect((await emitter.deliver(event(2)))._unsafeUnwrapErr()).toMatchObject({ code: 'CQ_EMITTER_CLOSED' });
  });
});

test.each([
  ['snowplow', snowplow()],
  ['json', json()],
  ['ndjson', ndjson()],
])('with %s two events with the same id are two deliveries', async (_, codec) => {
  const { emitter } = acted([500], { codec });
  const both = Promise.all([emitter.deliver(event(1)), emitter.deliver(event(1))]);
  await emitter.flush();
  await emitter.flush();
  expect((await both).map((one) => one.isOk())).toEqual([true, true]);
  expect(emitter.getMetrics()).toMatchObject({ sent: 2 });
});
