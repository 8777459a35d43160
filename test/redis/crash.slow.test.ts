import { expect, test } from 'vitest';
import { runCampaign } from './crash/run.ts';

test('what Redis acknowledged is forwarded, however often forwarders and Redis are killed', {
  timeout: 60_000,
}, async () => {
  const { acked, lost, stranded } = await runCampaign({ kills: 8, redisKills: 3, events: 3_000 });
  expect({ acked, lost, stranded }).toEqual({ acked: 3_000, lost: 0, stranded: 0 });
});
