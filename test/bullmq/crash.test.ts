import { describe, expect, test } from 'vitest';
import { flushRedis } from './crash/flushes.ts';
import { forge } from './crash/forgers.ts';
import { poison } from './crash/poison.ts';
import { killRedis } from './crash/redis-kills.ts';
import { stopRedis } from './crash/redis-stops.ts';
import { killWorkers } from './crash/worker-kills.ts';

const seed = Date.now() % 1_000_000;
const timeout = 120_000;

// They wait for processes and locks most of the time.
describe.concurrent('crashes', () => {
  test('what Redis acknowledged is worked on, however often workers are killed', { timeout }, async () => {
    const { broken, line } = await killWorkers({ kills: 3, jobs: 300, seed });
    expect({ broken, line, seed }).toMatchObject({ broken: [] });
  });

  test('what Redis acknowledged outlasts its end, and all go on by themselves', { timeout }, async () => {
    const { broken, line } = await killRedis({ kills: 2, seed });
    expect({ broken, line, seed }).toMatchObject({ broken: [] });
  });

  test('a job that ends its processes is condemned, and none beside it', { timeout }, async () => {
    const { broken, line } = await poison({ deadly: 1, jobs: 60, workers: 1, poisonLimit: 1, seed });
    expect({ broken, line, seed }).toMatchObject({ broken: [] });
  });

  test('no message that is forged, altered, moved or repeated is worked on', { timeout }, async () => {
    const { broken, line } = await forge({ count: 300, seed });
    expect({ broken, line, seed }).toMatchObject({ broken: [] });
  });
});

// These are about how long something takes.
describe('outages', () => {
  test('while Redis is silent sends fail or wait within bounds, and queues can be shut down', { timeout }, async () => {
    const { broken, line } = await stopRedis({ stops: 1, forMs: 1_500, seed });
    expect({ broken, line, seed }).toMatchObject({ broken: [] });
  });

  test('who waits for what is not in Redis any more is told so, and the queue works on', { timeout }, async () => {
    const { broken, line } = await flushRedis({ flushes: 1, seed });
    expect({ broken, line, seed }).toMatchObject({ broken: [] });
  });
});
