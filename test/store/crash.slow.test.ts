import { expect, test } from 'vitest';
import { runCampaign } from './crash/run.ts';

test('what was acknowledged is delivered, killed twenty times over', { timeout: 300_000 }, async () => {
  const seed = Date.now() % 1_000_000;
  const { acked, lost, foreign, kills } = await runCampaign({ kills: 20, events: 4_000, seed });
  expect({ lost, foreign, kills, seed }).toEqual({ lost: 0, foreign: 0, kills: 20, seed });
  expect(acked).toBeGreaterThan(0);
});
