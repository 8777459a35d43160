import { CancelTask, Collector, Delivery, err, Payload, type PayloadOptions, RetryTask } from 'collector-queue';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Bench } from './collector-queue-bench.ts';

/** What a collector makes of a payload, and what is to come of that: a value, or the code of an error. */
const DEEDS = {
  answer: { does: (n: number) => `answer ${n}`, result: (n: number) => `answer ${n}` },
  nothing: { does: () => undefined, result: () => undefined },
  refuse: { does: (n: number) => err({ code: `E_${n}` }), result: (n: number) => `E_${n}` },
  break: { does: () => Promise.reject(new Error('broken')), result: () => 'CQ_PROCESSOR' },
  recover: { does: (n: number, attempt: number) => (attempt < 2 ? err('not yet') : n), result: (n: number) => n },
  insist: { does: (n: number, attempt: number) => (attempt < 4 ? new RetryTask() : n), result: (n: number) => n },
  giveUp: {
    does: () => Promise.reject(Object.assign(new Error('no'), { retryable: false })),
    result: () => 'CQ_PROCESSOR',
  },
  cancel: { does: () => new CancelTask(), result: () => 'CQ_CANCELLED' },
} as const;

type DeedName = keyof typeof DEEDS;

/** A send: who is addressed, and what each of those who are does. */
interface Send {
  readonly address: PayloadOptions;
  readonly deeds: readonly [DeedName, DeedName, DeedName];
}

const KEYS = ['a', 'b', 'c'] as const;
const TOPICS = [['x'], ['x/+'], ['x/#', 'y']] as const;

/** Which of the three take a payload with this topic. */
const TAKERS: Readonly<Record<string, readonly number[]>> = { x: [0, 2], 'x/1': [1, 2], 'x/1/2': [2], y: [2], z: [] };

function takersOf({ delivery, keys, topics }: PayloadOptions): readonly number[] {
  if (delivery === Delivery.BROADCAST) return [0, 1, 2];
  const names = [delivery === Delivery.KEY ? keys : topics].flat();
  return [0, 1, 2].filter((at) =>
    names.some((name) => (delivery === Delivery.KEY ? KEYS[at] === name : TAKERS[name as string]?.includes(at))),
  );
}

const deed = fc.constantFrom(...(Object.keys(DEEDS) as DeedName[]));
const some = (...names: string[]): fc.Arbitrary<string[]> =>
  fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 });
const address: fc.Arbitrary<PayloadOptions> = fc.record({
  delivery: fc.constantFrom(...Object.values(Delivery)),
  keys: some(...KEYS, 'nobody'),
  topics: some(...Object.keys(TAKERS)),
});
const send: fc.Arbitrary<Send> = fc.record({ address, deeds: fc.tuple(deed, deed, deed) });

/** Sends of any kind, many at the same time, come to what the promises say of each of them. */
export async function anySends(bench: Bench, numRuns: number): Promise<void> {
  const collectors = KEYS.map(
    (key, at) =>
      new Collector(key, ({ value: [n, deeds] }, _, { number }) => DEEDS[deeds[at] as DeedName].does(n, number), {
        topics: TOPICS[at],
        retry: { attempts: 3, base: 0 },
      }),
  );
  const { publisher } = await bench.started(collectors, { concurrency: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(send, { minLength: 1, maxLength: 30 }), async (sends) => {
      const events = publisher.sendMany(sends.map(({ address, deeds }, n) => new Payload([n, deeds], address)));
      const lists = await Promise.all(events.map((event) => event.wait()));
      const came = lists.map((list) => ({
        keys: list.keys(),
        results: [...list].map((result) => (result.isOk() ? { ok: result.value } : { err: result.error.code })),
      }));
      expect(came).toEqual(sends.map(expected));
    }),
    { numRuns },
  );
}

function expected({ address, deeds }: Send, n: number): unknown {
  const takers = takersOf(address);
  return {
    keys: takers.map((at) => KEYS[at]),
    results: takers.length === 0 ? [{ ok: undefined }] : takers.map((at) => outcome(deeds[at] as DeedName, n)),
  };
}

function outcome(name: DeedName, n: number): unknown {
  const result = DEEDS[name].result(n);
  return typeof result === 'string' && /^(E|CQ)_/.test(result) ? { err: result } : { ok: result };
}
