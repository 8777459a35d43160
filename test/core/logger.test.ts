import { once } from 'node:events';
import { Collector, CollectorQueue, Payload, type QueueOptions, Router } from 'collector-queue';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { oneCollector } from '../policies/scene.ts';
import { giveUp, type Scene, thrownBy } from './scene.ts';

/** A real pino whose lines are kept. */
function pinoInto(lines: Record<string, unknown>[]): NonNullable<QueueOptions['logger']> {
  return pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
}

const SECRET = 'the secret of the payload';

describe('pino as the logger', () => {
  test('gets the metrics as fields of a line', async () => {
    const lines: Record<string, unknown>[] = [];
    const options = { logger: pinoInto(lines), metricsInterval: 100, latency: true };
    const scene = await oneCollector(() => 'done', {}, options);
    void scene.publisher.publish(SECRET);
    await scene.clock.advance(100);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 30,
      msg: 'collector queue metrics',
      accepted: 1,
      settled: 1,
      latency: { service: { count: 1 } },
    });
    await giveUp(scene);
  });

  test('writes an internal error out with its type, message and stack', async () => {
    const lines: Record<string, unknown>[] = [];
    const { queue } = await oneCollector(() => 1, {}, { logger: pinoInto(lines) });
    queue.events.on('paused', () => {
      throw new RangeError('a bug', { cause: new Error('deeper') });
    });
    queue.pause();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 50,
      msg: 'collector queue internal error',
      source: 'listener of "paused"',
      err: { type: 'RangeError', message: 'a bug: deeper', stack: expect.stringContaining('logger.test.ts') },
    });
    await queue.shutDownQueue();
  });

  test('is told nothing of the values of payloads, whatever happens to them', async () => {
    const lines: Record<string, unknown>[] = [];
    const fail = (): never => {
      throw new Error('of a listener');
    };
    class Failing extends Router {
      select({ value }: Payload<{ kind: string }>): readonly Collector[] {
        if (value.kind === 'misrouted') throw new Error('of the router');
        return [...this.collectors.values()] as Collector[];
      }
    }
    const scene: Scene = await oneCollector(
      (value) => {
        if ((value as { kind: string }).kind === 'hangs') return new Promise(() => undefined);
        throw Object.assign(new Error('of the processor'), { value });
      },
      { timeout: 20, retry: { attempts: 2, base: 1 }, deadLetter: fail },
      { logger: pinoInto(lines), metricsInterval: 50, router: Failing, maxSize: 2, overflow: 'dropOldest' },
    );
    const { queue, publisher, clock } = scene;
    for (const name of ['enqueued', 'dropped', 'started', 'retrying', 'timeout', 'error-task'] as const) {
      queue.events.on(name, fail);
    }
    for (const kind of ['fails', 'hangs', 'misrouted', 'dropped', 'fails', 'cancelled']) {
      const event = publisher.send(new Payload({ kind, secret: SECRET }));
      if (kind === 'cancelled') event.cancel();
    }
    await clock.advance(500);
    await giveUp(scene);
    expect(lines.length).toBeGreaterThan(10);
    expect(new Set(lines.map(({ msg }) => msg))).toEqual(
      new Set(['collector queue metrics', 'collector queue internal error']),
    );
    expect(JSON.stringify(lines)).not.toContain(SECRET);
  });
});

describe('a logger', () => {
  test('is anything with info, warn and error, called as methods, with fields first and a message', async () => {
    class Own {
      readonly calls: unknown[][] = [];
      info(...call: unknown[]): void {
        this.calls.push(call);
      }
      warn(...call: unknown[]): void {
        this.calls.push(call);
      }
      error(...call: unknown[]): void {
        this.calls.push(call);
      }
    }
    const logger = new Own();
    const scene = await oneCollector(() => 1, {}, { logger, metricsInterval: 10 });
    await scene.clock.advance(10);
    expect(logger.calls).toEqual([[expect.objectContaining({ accepted: 0 }), 'collector queue metrics']]);
    await giveUp(scene);
  });

  test('that rejects harms nobody: its failure becomes a warning', async () => {
    const failing = async (): Promise<void> => {
      throw new Error('disk full');
    };
    const logger = { info: failing, warn: failing, error: failing };
    const warned = once(process, 'warning') as Promise<Error[]>;
    const scene = await oneCollector(() => 1, {}, { logger, metricsInterval: 10 });
    await scene.clock.advance(10);
    expect((await warned)[0]?.message).toBe('the logger failed: Error: disk full');
    await giveUp(scene);
  });

  test('that lacks one of them is refused', () => {
    const none = (): void => undefined;
    for (const logger of [{}, { info: none, warn: none }, { info: none, warn: none, error: 'no' }, 'pino', null]) {
      const error = thrownBy(() => new CollectorQueue([new Collector('a', none)], { logger: logger as never }));
      expect(String(error)).toContain('logger must be an object with the methods info, warn, error');
    }
  });
});
