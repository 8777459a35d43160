import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SocketEmitter } from '../../../src/socket/client/index.ts';
import { DaemonDouble, type Verdict } from './daemon-double.ts';
import { numbered, scene } from './scene.ts';

type Step =
  | { readonly kind: 'input' | 'store'; readonly count: number; readonly isBad: boolean }
  | { readonly kind: 'turn' | 'cut' | 'restart' };

const FULL: Verdict = { refuse: 'full', retryable: true };

const verdicts: fc.Arbitrary<Verdict[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<Verdict>('commit') },
    { weight: 2, arbitrary: fc.constantFrom<Verdict>('swallow', 'cut', 'commitAndCut', FULL) },
  ),
  { maxLength: 60 },
);

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom('input' as const, 'store' as const),
        count: fc.integer({ min: 1, max: 12 }),
        isBad: fc.boolean(),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'restart' as const) }) },
  ),
  { maxLength: 40 },
);

describe('whatever happens to the connection', () => {
  test('each event is durable exactly once and in order, and none that was refused for good', async () => {
    await fc.assert(
      fc.asyncProperty(
        verdicts,
        steps,
        fc.record({ batchSize: fc.integer({ min: 1, max: 5 }), windowBytes: fc.constantFrom(1, 300, 100_000) }),
        async (frames, todo, options) => {
          const daemon = await DaemonDouble.started();
          const buried: unknown[] = [];
          const emitter = new SocketEmitter({
            path: daemon.path,
            maxRetryDelay: 1,
            deadLetter: (events) => buried.push(...events),
            ...options,
          });
          try {
            await play(daemon, emitter, frames, todo, buried);
          } finally {
            await emitter.close({ timeout: 0 });
            await daemon.dispose();
          }
        },
      ),
      { numRuns: Math.min(200, Number(process.env.FC_RUNS)) },
    );
  });

  test('cut after any byte that the daemon read, each event is durable exactly once', async () => {
    await cutEverywhere('readAtMost', 400);
  });

  test('cut after any byte that the daemon wrote, each event is durable exactly once', async () => {
    await cutEverywhere('writeAtMost', 140);
  });
});

async function play(
  daemon: DaemonDouble,
  emitter: SocketEmitter,
  frames: readonly Verdict[],
  todo: readonly Step[],
  buried: readonly unknown[],
): Promise<void> {
  const verdicts = [...frames];
  const isBad = ({ bad }: Record<string, unknown>): boolean => bad === true;
  daemon.verdict = ({ events }) =>
    events.some(isBad) ? { refuse: 'bad_frame', retryable: false } : (verdicts.shift() ?? 'commit');
  const accepted: Record<string, unknown>[] = [];
  const stored: Promise<boolean>[] = [];
  for (const step of todo) {
    if ('count' in step) {
      for (let at = 0; at < step.count; at++) {
        const event = { n: accepted.length, ...(step.isBad && at % 4 === 1 ? { bad: true } : {}) };
        accepted.push(event);
        if (step.kind === 'input') emitter.input(event);
        else stored.push(emitter.store(event).then((result) => result.isOk() !== isBad(event)));
      }
    } else if (step.kind === 'cut') daemon.cut();
    else if (step.kind === 'turn') await new Promise(setImmediate);
    else if (step.kind === 'restart') {
      await daemon.stop();
      await daemon.start();
    }
  }
  // What was swallowed is told at the next welcome; then all goes well.
  await new Promise(setImmediate);
  verdicts.length = 0;
  daemon.cut();
  expect(await emitter.flush({ timeout: 5_000 })).toBe(true);
  expect(daemon.stored).toEqual(accepted.filter((event) => !isBad(event)));
  expect(buried).toEqual(accepted.filter(isBad));
  expect(await Promise.all(stored)).toEqual(stored.map(() => true));
  expect(emitter.getMetrics()).toMatchObject({
    size: 0,
    unacknowledged: 0,
    accepted: accepted.length,
    acknowledged: daemon.stored.length,
    deadLettered: buried.length,
  });
}

async function cutEverywhere(limit: 'readAtMost' | 'writeAtMost', bytes: number): Promise<void> {
  const { daemon } = await scene({}, true);
  await daemon.start();
  for (let at = 1; at <= bytes; at++) {
    daemon[limit] = at;
    daemon.stored = [];
    const emitter = new SocketEmitter({ path: daemon.path, batchSize: 2, maxRetryDelay: 0 });
    const events = numbered(6).map(({ n }) => ({ n, text: 'ä→' }));
    for (const event of events) emitter.input(event);
    expect(await emitter.flush({ timeout: 5_000 })).toBe(true);
    expect(daemon.stored).toEqual(events);
    await emitter.close({ timeout: 0 });
    // Those that did not come so far must not cut the next.
    daemon[limit] = Number.POSITIVE_INFINITY;
  }
}
