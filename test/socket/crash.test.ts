import { expect, test } from 'vitest';
import type { CampaignResult, Victim } from './crash/figures.ts';
import { runCampaign } from './crash/run.ts';

const EVENTS = 800;
const KILLS = 3;
const LONG = { timeout: 120_000 };

const WELL = { lost: 0, foreign: 0, forgotten: 0 } satisfies Partial<CampaignResult>;

async function campaign(victim: Victim, collector: 'unsteady' | 'away'): Promise<CampaignResult & { seed: number }> {
  const seed = Date.now() % 1_000_000;
  const result = await runCampaign({ kills: KILLS, events: EVENTS, seed, victims: [victim], collector });
  expect(result.kills[victim]).toBe(KILLS);
  expect(result.acked).toBeGreaterThanOrEqual(EVENTS);
  return { ...result, seed };
}

test('what the daemon acknowledged is delivered, however often it is killed', LONG, async () => {
  const { seed, ...result } = await campaign('daemon', 'unsteady');
  expect({ ...result, seed }).toMatchObject({ ...WELL, seed });
});

test('what a client was told is safe is delivered, however often the client is killed', LONG, async () => {
  const { seed, ...result } = await campaign('client', 'unsteady');
  expect({ ...result, seed }).toMatchObject({ ...WELL, seed });
});

test('killing both at once loses nothing, and stores nothing twice', LONG, async () => {
  const { seed, ...result } = await campaign('both', 'away');
  expect({ ...result, seed }).toMatchObject({ ...WELL, duplicated: 0, seed });
});
