import { join } from 'node:path';
import type { LevelEventStoreOptions } from 'collector-queue/store';
import fc from 'fast-check';
import { ForgetfulLevel } from './forgetful-level.ts';
import { CLIENTS, ForgettingModel, type Step } from './forgetting-model.ts';
import { type Loss, losePower, makeFolder, snapshot } from './power-loss.ts';

type Send = Step & { readonly kind: 'send' };

/** What is done to a store before the power goes, and what that takes. */
export interface Blackout {
  readonly steps: readonly Step[];
  /** The power goes while this is being written. */
  readonly last: Send;
  readonly losses: readonly Loss[];
}

interface BlackoutOptions {
  readonly steps: { readonly minLength?: number; readonly maxLength: number };
  readonly padding: fc.Arbitrary<number>;
  readonly kinds: readonly Loss['kind'][];
}

export function blackouts({ steps, padding, kinds }: BlackoutOptions): fc.Arbitrary<Blackout> {
  const send = (smallest: number): fc.Arbitrary<Send> =>
    fc.record({
      kind: fc.constant('send' as const),
      client: fc.integer({ min: 0, max: CLIENTS - 1 }),
      sizes: fc.array(fc.integer({ min: smallest, max: 6 }), { minLength: 1, maxLength: CLIENTS }),
      padding,
    });
  const deliver = fc.record({ kind: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 12 }) });
  const fail = fc.record({
    kind: fc.constant('fail' as const),
    fate: fc.constantFrom('written' as const, 'not written' as const),
  });
  const reopen = fc.record({ kind: fc.constant('reopen' as const) });
  const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
    { weight: 8, arbitrary: send(0) },
    { weight: 6, arbitrary: deliver },
    { weight: 1, arbitrary: fail },
    { weight: 1, arbitrary: reopen },
  );
  const loss = fc.record({ kind: fc.constantFrom(...kinds), seed: fc.nat() });
  return fc.record({
    steps: fc.array(step, steps),
    last: send(1),
    losses: fc.array(loss, { minLength: 4, maxLength: 4 }),
  });
}

let made = 0;

/** What is wrong after each loss; nothing, if it is empty. */
export async function problemsAfter(
  scratch: string,
  { steps, last, losses }: Blackout,
  engine: ForgetfulLevel = new ForgetfulLevel(),
  options: LevelEventStoreOptions = {},
): Promise<string[]> {
  const path = join(scratch, String(++made));
  const left = `${path}-left`;
  makeFolder(path);
  const model = new ForgettingModel(path, options, engine);
  const problems: string[] = [];
  try {
    for (const step of steps) await model.do(step);
    const begun = engine.cutPower();
    const unanswered = model.do(last);
    await begun;
    for (const loss of losses) {
      await snapshot(path, left);
      losePower(left, engine.durable, loss);
      const problem = model.problem(await model.examine(left), loss.kind === 'pages' || loss.kind === 'hole');
      if (problem !== undefined) problems.push(`${loss.kind}: ${problem}`);
    }
    engine.restorePower();
    await unanswered;
  } finally {
    engine.restorePower();
    await model.close();
  }
  return problems;
}
