/**
 * The counts of one run of a queue, from `initQueue` to its shutdown. What was offered is accepted or rejected.
 * What was accepted and is not settled waits (the pool knows how many do), is parked, or is in flight.
 */
export class Ledger {
  accepted = 0;
  rejected = 0;
  /** Payloads of which every unfinished task is parked, and those that are scheduled. */
  parked = 0;
  /** Repeats of payloads that were accepted; none of them counts as offered. */
  deduplicated = 0;
  /** Accepted payloads that have settled, whatever the outcome. */
  settled = 0;
  /** Of the settled: dropped by an overflow. */
  dropped = 0;
  /** Of the settled: matched no collector. */
  unrouted = 0;
  /** Of the settled: cancelled, cleared, or given up at shutdown. */
  cancelled = 0;
  /** Results that came after their event had settled, and were ignored. */
  late = 0;
  /** Attempts that were given up and whose work goes on. */
  abandoned = 0;
  /** Parked tasks; one payload may have several. */
  parkedTasks = 0;
}
