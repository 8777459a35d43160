import fc from 'fast-check';
import { expect } from 'vitest';
import { readJob } from '../../../src/bullmq/messages/job-message.ts';
import { Seal } from '../../../src/bullmq/messages/seal.ts';
import { jsonSerializer, type Serializer } from '../../../src/bullmq/messages/serializer.ts';
import { anyAlteration, anyOriginal, isSame, OTHER_SECRET, SECRET, sealed } from './alterations.ts';

/** Counts what it is given to read. */
export function countingSerializer(): Serializer & { readonly reads: () => number } {
  let reads = 0;
  return {
    serialize: jsonSerializer.serialize,
    deserialize: (text) => {
      reads += 1;
      return jsonSerializer.deserialize(text);
    },
    reads: () => reads,
  };
}

/** Tries so many altered messages. Returns how many were believed, how many were read, and how often each reason came. */
export function forge(variants: number): { believed: number; read: number; reasons: Map<string, number> } {
  const seals = [
    new Seal({ secret: SECRET, maxAge: Number.MAX_SAFE_INTEGER }),
    new Seal({ secret: [SECRET, OTHER_SECRET], maxAge: Number.MAX_SAFE_INTEGER }),
  ];
  const stranger = new Seal({ secret: 'a third secret that nobody has made active', maxAge: 1 });
  const serializer = countingSerializer();
  const reasons = new Map<string, number>();
  let believed = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...seals),
      anyOriginal,
      anyOriginal,
      fc.boolean(),
      anyAlteration,
      (seal, original, another, isStrange, alter) => {
        const from = sealed(seal, original);
        const other = sealed(isStrange ? stranger : seal, another).envelope;
        const now = original.due;
        expect(seal.open(from.kind, from.address, from.envelope, now).unwrapOr('')).toBe(original.body);
        const altered = alter(from, other);
        fc.pre(!isSame(altered, from));
        const opened = seal.open(altered.kind, altered.address, altered.envelope, now);
        // A body that was believed would be read next.
        if (opened.andThen((body) => readJob(body, serializer)).isOk() || opened.isOk()) believed += 1;
        else if (opened.isErr()) reasons.set(opened.error.reason, (reasons.get(opened.error.reason) ?? 0) + 1);
        expect(opened.isErr()).toBe(true);
      },
    ),
    { numRuns: variants, maxSkipsPerRun: 100 },
  );
  return { believed, read: serializer.reads(), reasons };
}
