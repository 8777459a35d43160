import { describe, test } from 'vitest';
import { anySends } from './collector-queue-any-sends.ts';
import { Bench, type CollectorQueueKind } from './collector-queue-bench.ts';
import { construction } from './collector-queue-construction.ts';
import { delivery } from './collector-queue-delivery.ts';
import { handles } from './collector-queue-handles.ts';
import { lifecycles } from './collector-queue-lifecycles.ts';
import { observation } from './collector-queue-observation.ts';
import { order } from './collector-queue-order.ts';
import { policies } from './collector-queue-policies.ts';
import { type Column, type Promised, type PromiseName, promises, type Way, wayOf } from './collector-queue-promises.ts';
import { results } from './collector-queue-results.ts';
import { retries } from './collector-queue-retries.ts';
import { sending } from './collector-queue-sending.ts';
import { shutdown } from './collector-queue-shutdown.ts';
import type { AllChecks, Check } from './collector-queue-types.ts';

/** The type sees to it that each promise is here, with a check for each way in which the table says that it stands. */
const checks: AllChecks = {
  ...delivery,
  ...results,
  ...handles,
  ...lifecycles,
  ...sending,
  ...shutdown,
  ...order,
  ...retries,
  ...policies,
  ...observation,
  ...construction,
};

/** The contract: every promise of the table, tested in the way that the table says of this implementation. */
export function describeCollectorQueue(column: Column, kind: CollectorQueueKind): void {
  describe(`a collector queue: ${kind.name}`, () => {
    for (const name of Object.keys(promises) as PromiseName[]) {
      const promised: Promised = promises[name];
      const way = wayOf(promised[column]);
      const check = (checks[name] as Readonly<Partial<Record<Way, Check>>>)[way] as Check;
      test(`${promised.says}${ADDITION[way]}`, () => onBench(kind, check));
    }

    test('Any sends at the same time come to what is promised of each', () =>
      onBench(kind, (bench) => anySends(bench, kind.numRuns)));
  });
}

async function onBench(kind: CollectorQueueKind, check: Check): Promise<void> {
  const bench = new Bench(kind);
  try {
    await check(bench);
  } finally {
    await bench.stop();
  }
}

const ADDITION: Readonly<Record<Way, string>> = { kept: '', differently: ' (differently)', not: ' (not so here)' };
