import { checkInteger, checkOptions } from '../core/checks.ts';
import type { TakeLimits } from './event-store.ts';

/** @throws {@link InvalidArgumentError} for limits that are wrong. */
export function resolveTakeLimits(owner: string, limits: TakeLimits): Required<TakeLimits> & { bytes: number } {
  checkOptions<TakeLimits>(`${owner}.take`, limits, ['count', 'bytes']);
  const { count, bytes = Number.POSITIVE_INFINITY } = limits;
  return {
    count: checkInteger(`${owner}.take: count`, count, { min: 1 }),
    bytes: checkInteger(`${owner}.take: bytes`, bytes, { min: 1, infinite: true }),
  };
}
