import type { QueueMetrics } from 'collector-queue';
import { expect } from 'vitest';

/** The fields, in order. */
export const METRICS: string[] = [
  'timestamp',
  'qsize',
  'busy',
  'consumers',
  'load',
  'avgLoad',
  'serviceTime',
  'waitTime',
  'arrivalRate',
  'departureRate',
  'wip',
  'tDelta',
  'eventCount',
  'offered',
  'accepted',
  'rejected',
  'deduplicated',
  'inFlight',
  'parked',
  'scheduled',
  'abandoned',
  'settled',
  'dropped',
  'cancelled',
  'unrouted',
  'late',
];

/** What holds at every step. */
export function expectBalance(metrics: QueueMetrics): void {
  expect(metrics.accepted + metrics.rejected).toBe(metrics.offered);
  expect(metrics.qsize + metrics.inFlight + metrics.parked + metrics.settled).toBe(metrics.accepted);
}
