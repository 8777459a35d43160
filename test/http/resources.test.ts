import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { HttpEmitter } from 'collector-queue/http';
import { describe, expect, test } from 'vitest';
import { acted, event, inputIds, still } from './scene.ts';
import { type Behaviour, neverAnswers, ok, retryAfter, type ScriptedServer, serve } from './server.ts';

/** Runs a scene in a process of its own until that ends by itself; what it printed, and what the server got. */
async function run(scene: string, otherwise: Behaviour): Promise<{ printed: string; server: ScriptedServer }> {
  const server = await serve([], otherwise);
  const child = fork(fileURLToPath(new URL('./fixtures/ends-by-itself.ts', import.meta.url)), [server.url, scene], {
    execArgv: ['--import', 'tsx'],
    silent: true,
  });
  let printed = '';
  child.stdout?.on('data', (chunk) => {
    printed += chunk;
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  return { printed: printed.trim(), server };
}

describe('a process ends by itself', () => {
  test('once its emitter is closed, whatever the server does', async () => {
    const scenes = [
      ['closed', ok, '{"undelivered":0}', 25],
      ['closed against a server that never answers', neverAnswers, '{"undelivered":1}', undefined],
      ['closed while requests wait for their turn', ok, '{"undelivered":1}', 1],
      ['closed while a failing server is left alone', retryAfter(503, '3600'), '{"undelivered":1}', 2],
      ['never used', ok, '"never used"', 0],
    ] as const;
    const runs = scenes.map(async ([scene, behaviour, printed, events]) => {
      const ran = await run(scene, behaviour);
      expect({ scene, printed: ran.printed }).toEqual({ scene, printed });
      // Where its time was short, the process may have ended before the server had the request.
      if (events !== undefined) expect(ran.server.events).toHaveLength(events);
    });
    await Promise.all(runs);
  }, 30_000);

  test('although its emitter was forgotten, but not before the events that it took have left', async () => {
    const { printed, server } = await run('forgotten', ok);
    expect(printed).toBe('"forgotten"');
    expect(server.events).toEqual([{ eid: '1' }, { eid: '2' }]);
  }, 30_000);
});

describe('what an emitter holds on to', () => {
  test('is nothing of the events that were sent: the heap is flat', async () => {
    const { gc } = globalThis;
    if (gc === undefined) throw new Error('this test needs node --expose-gc');
    // Not by a scene, whose far side keeps every request.
    const emitter = new HttpEmitter('http://far.test', {
      batchSize: 500,
      fetch: async () => new Response(null, { status: 200 }),
    });
    const round = async (): Promise<void> => {
      for (let sent = 0; sent < 20_000; sent++) {
        emitter.input(event(sent));
        if (sent % 5_000 === 0) await emitter.flush();
      }
      await emitter.flush();
    };
    const used = async (): Promise<number> => {
      for (let pass = 0; pass < 3; pass++) {
        gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return process.memoryUsage().heapUsed;
    };
    await round();
    const before = await used();
    for (let pass = 0; pass < 3; pass++) await round();
    expect(((await used()) - before) / 60_000, 'bytes per event').toBeLessThan(10);
    await emitter.close();
  });

  test('is bounded while the server is down: 100,000 events are offered, and no more than the capacity is kept', async () => {
    const dead = acted([], { bufferCapacity: 1_000, overflow: 'dropOldest', otherwise: 500 });
    for (let offered = 0; offered < 100_000; offered += 1_000) {
      inputIds(dead, offered, offered + 999);
      await still(dead);
    }
    expect(dead.emitter.getMetrics()).toMatchObject({ size: 1_000, accepted: 100_000, dropped: 99_000 });
  });

  test('is bounded, although a dead letter is too slow for what is thrown out', async () => {
    let letters = 0;
    const dead = acted([500], {
      bufferCapacity: 10,
      overflow: 'dropOldest',
      deadLetter: () => {
        letters++;
        return new Promise(() => undefined);
      },
    });
    inputIds(dead, 1, 10);
    await dead.clock.turn();
    inputIds(dead, 11, 100);
    expect(letters).toBe(10);
    expect(dead.emitter.getMetrics()).toMatchObject({ size: 10, dropped: 90 });
    expect(dead.logged.filter(({ level }) => level === 'error')).toMatchObject([
      { fields: { source: 'HttpEmitter: keeping events, of which some are lost,' } },
    ]);
  });
});
