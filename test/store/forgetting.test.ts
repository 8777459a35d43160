import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Blackout, blackouts, problemsAfter } from './blackout.ts';
import { ForgetfulLevel } from './forgetful-level.ts';
import type { Step } from './forgetting-model.ts';
import { scratchFolder } from './scene.ts';

const scratch = scratchFolder();
const RUNS = Math.min(100, Math.ceil(Number(process.env.FC_RUNS) / 4));
const LONG = { timeout: 300_000 };

async function nothingIsLost(blackout: Blackout): Promise<void> {
  expect(await problemsAfter(scratch, blackout)).toEqual([]);
}

describe('when the power goes while a store writes, and takes what was not synced', () => {
  const kinds = ['cut', 'none'] as const;

  test('what was acknowledged is there, the rest as a whole with its mark, or not at all', LONG, async () => {
    const wanted = blackouts({ steps: { maxLength: 25 }, padding: fc.integer({ min: 0, max: 9_000 }), kinds });
    await fc.assert(fc.asyncProperty(wanted, nothingIsLost), { numRuns: RUNS });
  });

  test('the same is true where one log follows another, and tables are made of them', LONG, async () => {
    const padding = fc.constantFrom(100, 100_000, 400_000);
    const wanted = blackouts({ steps: { minLength: 15, maxLength: 30 }, padding, kinds });
    await fc.assert(fc.asyncProperty(wanted, nothingIsLost), { numRuns: Math.ceil(RUNS / 10) });
  });
});

describe('it would be seen', () => {
  const send = (client: number, ...sizes: number[]) => ({ kind: 'send' as const, client, sizes, padding: 50 });
  const blackout = {
    steps: [send(0, 2, 3), send(1, 1), { kind: 'deliver', count: 2 }, send(0, 4)] satisfies Step[],
    last: send(2, 1),
    losses: (['cut', 'none'] as const).map((kind) => ({ kind, seed: 7 })),
  };
  const seen = 'none: frame 1 of client-0 was acknowledged, and the mark is 0';

  test('if a store did not sync', async () => {
    expect(await problemsAfter(scratch, blackout)).toEqual([]);
    const problems = await problemsAfter(scratch, blackout, new ForgetfulLevel(), { durability: 'os' });
    expect(problems).toContain(seen);
  });

  test('if a database did not sync when it is told to', async () => {
    expect(await problemsAfter(scratch, blackout, new ForgetfulLevel(true))).toContain(seen);
  });
});
