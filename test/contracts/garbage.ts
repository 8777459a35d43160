import { settlePromises } from '../../src/testing/manual-clock.ts';

/**
 * How many of the referenced objects are still alive once everything unreachable was collected. What is looked at must
 * have been made in a function that has returned, or else its stack frame keeps it.
 */
export async function survivors(references: readonly WeakRef<object>[]): Promise<number> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('this test needs node --expose-gc');
  // A target that was just referenced lives until its job ends, so collecting happens in a later one.
  await settlePromises();
  gc();
  await settlePromises();
  gc();
  return references.filter((reference) => reference.deref() !== undefined).length;
}
