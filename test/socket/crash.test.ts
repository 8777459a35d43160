import { expect, test } from 'vitest';
import { runCampaign } from './crash/run.ts';

test('what the daemon acknowledged is delivered, however often it is killed', { timeout: 60_000 }, async () => {
  const seed = Date.now() % 1_000_000;
  const { acked, lost, foreign, kills } = await runCampaign({ kills: 6, events: 2_000, seed });
  expect({ acked, lost, foreign, kills, seed }).toEqual({ acked: 2_000, lost: 0, foreign: 0, kills: 6, seed });
});
