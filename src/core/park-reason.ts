import { BatchPolicy } from '../policies/batch.ts';
import { ConcurrencyPolicy } from '../policies/concurrency.ts';
import { DelayPolicy } from '../policies/delay.ts';
import { LockPolicy } from '../policies/lock.ts';
import { PartitionPolicy } from '../policies/partition.ts';
import type { TaskPolicy } from '../policies/policy.ts';
import { RateLimitPolicy } from '../policies/rate-limit.ts';
import { RetryPolicy } from '../policies/retry.ts';
import type { ParkReason } from '../queue-events/names.ts';

const REASONS = [
  [RetryPolicy, 'retry'],
  [PartitionPolicy, 'partition'],
  [RateLimitPolicy, 'rate-limit'],
  [ConcurrencyPolicy, 'concurrency'],
  [BatchPolicy, 'batch'],
  [DelayPolicy, 'delay'],
  [LockPolicy, 'lock'],
] as const satisfies readonly (readonly [unknown, ParkReason])[];

/** Why a task is parked that this policy has parked; looked up only for those who listen. */
export function parkReasonOf(policy: TaskPolicy | undefined): ParkReason {
  return REASONS.find(([Policy]) => policy instanceof Policy)?.[1] ?? 'policy';
}
