import { FifoBuffer, LifoBuffer } from '../../src/pool/linked-buffer.ts';
import { PriorityBuffer } from '../../src/pool/priority-buffer.ts';
import { aBuffer, type Prioritised } from './buffer.ts';

/** Fewer tombstones than this are let be. */
const FEW = 64;

function tombstones(waiting: number): number {
  return waiting === 0 ? 0 : Math.max(FEW, waiting);
}

/** The lowest number, the oldest of these. */
function mostUrgent(waiting: readonly Prioritised[]): number {
  let found = 0;
  for (const [at, { priority }] of waiting.entries()) {
    if (priority < (waiting[found] as Prioritised).priority) found = at;
  }
  return found;
}

/** The highest number, the newest of these. */
function leastUrgent(waiting: readonly Prioritised[]): number {
  let found = 0;
  for (const [at, { priority }] of waiting.entries()) {
    if (priority >= (waiting[found] as Prioritised).priority) found = at;
  }
  return found;
}

aBuffer({
  name: 'FifoBuffer',
  make: () => new FifoBuffer(),
  next: () => 0,
  victim: () => 0,
  mayLinger: () => 0,
});

aBuffer({
  name: 'LifoBuffer',
  make: () => new LifoBuffer(),
  next: (waiting) => waiting.length - 1,
  victim: () => 0,
  mayLinger: () => 0,
});

aBuffer({
  name: 'PriorityBuffer',
  make: () => new PriorityBuffer(),
  next: mostUrgent,
  victim: () => -1,
  mayLinger: (waiting, removed) => (removed ? tombstones(waiting) : 0),
});

aBuffer({
  name: 'PriorityBuffer that drops',
  make: () => new PriorityBuffer(true),
  next: mostUrgent,
  victim: leastUrgent,
  mayLinger: tombstones,
});
