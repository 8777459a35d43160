import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Blackout, blackouts, problemsAfter } from './blackout.ts';
import { scratchFolder } from './scene.ts';

const scratch = scratchFolder();
const RUNS = Math.min(100, Math.ceil(Number(process.env.FC_RUNS) / 4));
const LONG = { timeout: 300_000 };
const padding = fc.integer({ min: 0, max: 9_000 });

async function nothingIsLost(blackout: Blackout): Promise<void> {
  expect(await problemsAfter(scratch, blackout)).toEqual([]);
}

describe('when the power goes, and a file has zeros where something was being written', () => {
  test(
    'at its end, what was acknowledged is there, the rest as a whole with its mark, or not at all',
    LONG,
    async () => {
      const wanted = blackouts({ steps: { maxLength: 25 }, padding, kinds: ['zeros'] });
      await fc.assert(fc.asyncProperty(wanted, nothingIsLost), { numRuns: RUNS });
    },
  );

  test('in some of its pages, what was acknowledged is there, and no mark without its events', LONG, async () => {
    const wanted = blackouts({ steps: { maxLength: 25 }, padding, kinds: ['pages'] });
    await fc.assert(fc.asyncProperty(wanted, nothingIsLost), { numRuns: RUNS });
  });

  test('in the middle of an event, its mark is not there either: its client sends it again', async () => {
    const last = { kind: 'send' as const, client: 0, sizes: [1], padding: 30_000 };
    expect(await problemsAfter(scratch, { steps: [], last, losses: [{ kind: 'hole', seed: 0 }] })).toEqual([]);
  });
});
