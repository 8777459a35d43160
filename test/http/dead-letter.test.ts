import { ok } from 'collector-queue';
import type { Emitter, EmitterEvent } from 'collector-queue/emitter';
import { HttpEmitter } from 'collector-queue/http';
import { err } from 'neverthrow';
import { describe, expect, test, vi } from 'vitest';
import { gate, isSettled } from '../core/scene.ts';
import { acted, event, farSide, ids, idsOf, inputAll, inputIds, still } from './scene.ts';

/** An emitter that keeps what it stores, unless told otherwise. */
function keeper(store: (event: EmitterEvent) => ReturnType<Emitter['store']> = async () => ok(1)): Emitter & {
  readonly kept: EmitterEvent[];
} {
  const kept: EmitterEvent[] = [];
  return {
    kept,
    input: () => false,
    store: async (given) => {
      const stored = await store(given);
      if (stored.isOk()) kept.push(given);
      return stored;
    },
    flush: async () => undefined,
    close: async () => undefined,
  };
}

describe('the dead letter', () => {
  test('may be a function: it gets the events of a request, and the reason', async () => {
    const letters: [unknown[], Error][] = [];
    const { emitter } = acted([400], { deadLetter: (events, reason) => letters.push([idsOf(events), reason]) });
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    expect(letters).toEqual([[ids(1, 3), expect.objectContaining({ code: 'CQ_HTTP_STATUS', status: 400 })]]);
  });

  test('may be an async function: the events leave the store once it is done', async () => {
    const done = gate();
    const { emitter, clock, told } = acted([400], { deadLetter: () => done.promise });
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    expect(emitter.getMetrics()).toMatchObject({ size: 10, inFlight: 10, deadLettered: 0 });
    expect(told).toEqual([]);
    done.open();
    await clock.turn();
    expect(emitter.getMetrics()).toMatchObject({ size: 0, inFlight: 0, deadLettered: 10 });
    expect(told).toMatchObject([{ willRetry: false }]);
  });

  test('may be an emitter: it stores each event', async () => {
    const deadLetter = keeper();
    const { emitter } = acted([400], { deadLetter });
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    expect(idsOf(deadLetter.kept)).toEqual(ids(1, 3));
    expect(emitter.getMetrics()).toMatchObject({ size: 0, deadLettered: 3 });
  });

  test('may be an HttpEmitter to another place', async () => {
    const { emitter, clock } = acted([400], { deadLetter: undefined });
    const far = farSide(clock);
    const graveyard = new HttpEmitter('http://graveyard.test', { fetch: far.fetch, clock });
    const scene = acted([400], { deadLetter: graveyard });
    inputIds(scene, 1, 3);
    await scene.emitter.flush();
    await graveyard.close();
    expect(far.batches).toEqual([ids(1, 3)]);
    await emitter.close();
  });

  test('that is none means a loud loss: logged, counted, and told', async () => {
    const { emitter, logged, told } = acted([400]);
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { source: 'HttpEmitter: sending 3 events, lost for want of a deadLetter,', err: { status: 400 } } },
    ]);
    expect(told).toMatchObject([{ willRetry: false }]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, deadLettered: 3, dropped: 0 });
  });

  const failures: readonly (readonly [string, () => unknown])[] = [
    [
      'throws',
      () => {
        throw new Error('full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('full'))],
    ['throws what is no error', () => Promise.reject('full')],
  ];

  test.each(failures)('that %s keeps the events; both are tried again later', async (_, deadLetter) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    let fails = 2;
    const letters: unknown[] = [];
    const { emitter, clock, told, far } = acted([400, 400, 400], {
      deadLetter: (events) => (fails-- > 0 ? deadLetter() : letters.push(...idsOf(events))),
    });
    inputIds({ emitter }, 1, 10);
    await clock.turn();
    expect(emitter.getMetrics()).toMatchObject({ size: 10, inFlight: 0, deadLettered: 0, retryDelay: 500 });
    expect(told).toMatchObject([{ willRetry: true, status: 400, error: { message: 'full' }, delay: 500, attempt: 1 }]);
    await clock.advance(500);
    expect(far.requests).toHaveLength(2);
    await clock.advance(1_000);
    expect(letters).toEqual(ids(1, 10));
    expect(emitter.getMetrics()).toMatchObject({ size: 0, deadLettered: 10, sent: 0 });
  });

  test('that hangs keeps the events: it has as long as a request', async () => {
    const { emitter, clock, told } = acted([400], { deadLetter: () => new Promise(() => undefined) });
    inputIds({ emitter }, 1, 10);
    await clock.advance(29_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toMatchObject([{ willRetry: true, error: { message: expect.stringContaining('30000 ms') } }]);
    expect(emitter.getMetrics()).toMatchObject({ size: 10, deadLettered: 0 });
  });

  test('that is an emitter which refuses, or rejects, keeps the events', async () => {
    const refusing = keeper(async () => err(new Error('no room')));
    const rejecting = keeper(() => Promise.reject(new Error('broken')));
    for (const deadLetter of [refusing, rejecting]) {
      const { emitter, told } = acted([400], { deadLetter });
      inputIds({ emitter }, 1, 3);
      await emitter.flush();
      expect(emitter.getMetrics()).toMatchObject({ size: 3, deadLettered: 0 });
      expect(told).toMatchObject([{ willRetry: true, error: { message: expect.stringMatching(/no room|broken/) } }]);
    }
  });

  test('gets what the wire format cannot write; the others of the batch are sent', async () => {
    const letters: unknown[] = [];
    const codec = {
      contentType: 'text/plain',
      path: '',
      opening: '',
      separator: '\n',
      closing: '',
      snapshot: (given: EmitterEvent) => ({ ...given }),
      encode: ({ eid }: EmitterEvent) => {
        if (eid === '2') throw new Error('not this one');
        return String(eid);
      },
    };
    const { emitter, far, told } = acted([], {
      codec,
      deadLetter: (events, reason) => letters.push([idsOf(events), reason.message]),
    });
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    expect(far.requests.map(({ body }) => body)).toEqual(['1\n3']);
    expect(letters).toEqual([[['2'], 'not this one']]);
    expect(told).toMatchObject([
      { outcome: 'failed', status: undefined, willRetry: false, sent: 0 },
      { outcome: 'sent' },
    ]);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 2, deadLettered: 1, requests: 1 });
  });

  test('gets what the wire format turns into no text', async () => {
    const letters: unknown[] = [];
    for (const written of [undefined, null, 5, {}]) {
      const codec = {
        contentType: 'text/plain',
        path: '',
        opening: '',
        separator: '\n',
        closing: '',
        snapshot: (given: EmitterEvent) => ({ ...given }),
        encode: () => written as string,
      };
      const { emitter, far } = acted([], { codec, deadLetter: (_, reason) => letters.push(reason) });
      inputIds({ emitter }, 1);
      await emitter.flush();
      expect(far.requests).toEqual([]);
    }
    expect(letters).toEqual(Array.from({ length: 4 }, () => expect.any(TypeError)));
  });

  test('is not asked twice for what it took, when the request of the others then fails', async () => {
    const letters: unknown[] = [];
    const codec = {
      contentType: 'text/plain',
      path: '',
      opening: '',
      separator: '\n',
      closing: '',
      snapshot: (given: EmitterEvent) => ({ ...given }),
      encode: ({ eid }: EmitterEvent) => {
        if (eid === '2') throw new Error('not this one');
        return String(eid);
      },
    };
    const { emitter, clock } = acted([500], { codec, deadLetter: (events) => letters.push(...idsOf(events)) });
    inputIds({ emitter }, 1, 3);
    await emitter.flush();
    await emitter.flush();
    expect(letters).toEqual(['2']);
    expect(emitter.getMetrics()).toMatchObject({ size: 0, sent: 2, inFlight: 0 });
    inputIds({ emitter }, 4);
    await still({ clock });
    expect(emitter.getMetrics()).toMatchObject({ size: 1, inFlight: 0 });
  });

  test('settles the deliver of its events as an Err with the reason', async () => {
    const { emitter } = acted([422], { deadLetter: () => undefined });
    const delivered = emitter.deliver(event(1));
    await emitter.flush();
    expect((await delivered)._unsafeUnwrapErr()).toMatchObject({ status: 422, retryable: false });
  });

  test('gets a batch whole, and the next in its turn', async () => {
    const first = gate();
    const letters: unknown[] = [];
    const { emitter, clock } = acted([400, 400], {
      batchSize: 2,
      deadLetter: (events) => {
        letters.push(idsOf(events));
        return letters.length === 1 ? first.promise : undefined;
      },
    });
    inputIds({ emitter }, 1, 4);
    await clock.turn();
    expect(letters).toEqual([ids(1, 2)]);
    first.open();
    await clock.turn();
    expect(letters).toEqual([ids(1, 2), ids(3, 4)]);
  });
});

describe('overflow', () => {
  test('dropNewest refuses, and the dead letter is not told: the caller was', async () => {
    const letters: unknown[] = [];
    const { emitter } = acted([], {
      bufferCapacity: 3,
      otherwise: 500,
      deadLetter: (events) => letters.push(...idsOf(events)),
    });
    const taken = [1, 2, 3, 4, 5].map((id) => emitter.input(event(id)));
    expect(taken).toEqual([true, true, true, false, false]);
    expect(letters).toEqual([]);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 3, refused: 2, dropped: 0 });
  });

  test('dropOldest takes what comes; what it throws out goes to the dead letter, and is counted', async () => {
    const letters: unknown[] = [];
    const { emitter, clock, far } = acted([500], {
      bufferCapacity: 3,
      overflow: 'dropOldest',
      deadLetter: (events, reason) => letters.push([...idsOf(events), (reason as { code?: string }).code]),
    });
    inputIds({ emitter }, 1, 3);
    await clock.turn();
    inputIds({ emitter }, 4, 5);
    expect(letters).toEqual([
      ['1', 'CQ_DROPPED'],
      ['2', 'CQ_DROPPED'],
    ]);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 5, refused: 0, dropped: 2, size: 3 });
    await emitter.flush();
    expect(far.batches.at(-1)).toEqual(ids(3, 5));
  });

  test('dropOldest never throws out what is in flight', async () => {
    const first = gate<number>();
    const { emitter, clock, far } = acted([first.promise], { bufferCapacity: 2, overflow: 'dropOldest' });
    inputIds({ emitter }, 1, 2);
    await clock.turn();
    expect(emitter.input(event(3))).toBe(false);
    first.open(200);
    await clock.turn();
    expect(emitter.input(event(3))).toBe(true);
    await emitter.flush();
    expect(far.batches.flat()).toEqual(ids(1, 3));
  });

  test('dropOldest without a dead letter says so once, and counts every one', async () => {
    const { emitter, clock, logged } = acted([500], { bufferCapacity: 3, overflow: 'dropOldest' });
    inputIds({ emitter }, 1, 3);
    await clock.turn();
    inputIds({ emitter }, 4, 9);
    expect(emitter.getMetrics()).toMatchObject({ accepted: 9, dropped: 6, size: 3 });
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { err: { code: 'CQ_DROPPED' } } },
    ]);
  });

  test('dropOldest with a dead letter that fails loses the event, and says so', async () => {
    const { emitter, clock, logged } = acted([500], {
      bufferCapacity: 1,
      overflow: 'dropOldest',
      deadLetter: () => Promise.reject(new Error('full')),
    });
    inputIds({ emitter }, 1);
    await clock.turn();
    inputIds({ emitter }, 2);
    await still({ clock });
    expect(logged.filter(({ level }) => level === 'error')).toMatchObject([{ fields: { err: { message: 'full' } } }]);
    expect(emitter.getMetrics()).toMatchObject({ dropped: 1, size: 1 });
  });
});

test('close waits, within its time, for what the dead letter is doing with events that were thrown out', async () => {
  const done = gate();
  const { emitter, clock } = acted([500], {
    bufferCapacity: 1,
    overflow: 'dropOldest',
    deadLetter: (events) => (idsOf(events)[0] === '1' ? done.promise : undefined),
  });
  inputAll({ emitter }, [event(1)]);
  await clock.turn();
  inputAll({ emitter }, [event(2)]);
  const closing = emitter.close({ timeout: 5_000 });
  await clock.advance(4_000);
  expect(await isSettled(closing)).toBe(false);
  done.open();
  expect(await closing).toEqual({ undelivered: 0 });
});
