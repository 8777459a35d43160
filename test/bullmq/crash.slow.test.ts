import { expect, test } from 'vitest';
import { poison } from './crash/poison.ts';
import { killRedis } from './crash/redis-kills.ts';
import { killWorkers } from './crash/worker-kills.ts';

const seed = Date.now() % 1_000_000;
const timeout = 300_000;

test('what Redis acknowledged is worked on, with a dozen workers killed', { timeout }, async () => {
  const { broken, line } = await killWorkers({ kills: 12, jobs: 2_000, seed });
  expect({ broken, line, seed }).toMatchObject({ broken: [] });
});

test('what Redis acknowledged outlasts ten ends of it', { timeout }, async () => {
  const { broken, line } = await killRedis({ kills: 10, seed });
  expect({ broken, line, seed }).toMatchObject({ broken: [] });
});

test('three deadly jobs among four hundred are condemned, and no other', { timeout }, async () => {
  const { broken, line } = await poison({ deadly: 3, jobs: 400, workers: 2, poisonLimit: 2, seed });
  expect({ broken, line, seed }).toMatchObject({ broken: [] });
});
