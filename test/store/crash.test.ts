import { expect, test } from 'vitest';
import { runCampaign } from './crash/run.ts';

test('what was acknowledged is delivered, however often the process is killed', { timeout: 60_000 }, async () => {
  const seed = Date.now() % 1_000_000;
  const { acked, lost, foreign, kills } = await runCampaign({ kills: 4, events: 1_000, seed });
  expect({ lost, foreign, kills, seed }).toEqual({ lost: 0, foreign: 0, kills: 4, seed });
  expect(acked).toBeGreaterThan(0);
});
