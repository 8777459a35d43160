import { err, ok, type Result } from 'collector-queue';

/** One arrival, as the U.S. Bureau of Transportation Statistics reports it. */
export interface Flight {
  /** Minutes between the scheduled and the actual arrival; negative is early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  /** When it actually departed: local time of day as decimal hours, 0 to below 24 (6.5 is half past six). */
  readonly time: number;
}

/** Why a record is no flight. To be expected of input, so an `Err` with a kind and not an exception. */
export interface BadRecord {
  readonly kind: 'not an object' | 'missing field' | 'not a number' | 'out of range';
  readonly detail: string;
}

/** How late a flight is, by minutes. The bureau counts it as late from 15 on. */
export const LATENESS = { moderate: 15, major: 60, extreme: 180 } as const;
export type Lateness = keyof typeof LATENESS;

/** A record that was read. It is checked by the collector that uses its fields, not by the reader. */
export interface Reading {
  readonly kind: 'reading';
  readonly record: unknown;
  /** When it was offered to the queue, by `performance.now()`. */
  readonly offeredAt: number;
}

/** Something to remember about the run. */
export interface AuditEntry {
  readonly kind: 'audit';
  readonly text: string;
  readonly offeredAt: number;
}

/** The reading is over, and every record was dealt with: each collector answers with its part of the report. */
export interface FinalReport {
  readonly kind: 'final-report';
  readonly offeredAt: number;
}

export type FlightTopic = 'flights/on-time' | `flights/late/${Lateness}` | 'flights/unclassified';

/** The half-open range that the value of each field lies in. */
const RANGES = { delay: [-1_440, 14_400], distance: [1, 12_500], time: [0, 24] } as const;

/** A record as a flight, or what is wrong with it. */
export function parseFlight(record: unknown): Result<Flight, BadRecord> {
  if (typeof record !== 'object' || record === null) {
    return err({ kind: 'not an object', detail: `the record is ${JSON.stringify(record)}` });
  }
  for (const [name, [from, below]] of Object.entries(RANGES)) {
    const value: unknown = record[name as keyof typeof record];
    if (value === undefined) return err({ kind: 'missing field', detail: `there is no ${name}` });
    const detail = `${name} is ${JSON.stringify(value)}`;
    if (typeof value !== 'number') return err({ kind: 'not a number', detail });
    if (value < from || value >= below) return err({ kind: 'out of range', detail });
  }
  return ok(record as Flight);
}

/** The lateness of a flight; undefined for one that is on time or early. */
export function latenessOf(delay: number): Lateness | undefined {
  if (delay >= LATENESS.extreme) return 'extreme';
  if (delay >= LATENESS.major) return 'major';
  return delay >= LATENESS.moderate ? 'moderate' : undefined;
}

/** Where a record belongs, and its rank: the lowest number is dispatched first, which is the most delayed flight. */
export function routeOf(record: unknown): { readonly topics: FlightTopic; readonly priority: number } {
  const delay = (record as Partial<Flight> | null)?.delay;
  if (typeof delay !== 'number') return { topics: 'flights/unclassified', priority: 0 };
  const lateness = latenessOf(delay);
  return { topics: lateness === undefined ? 'flights/on-time' : `flights/late/${lateness}`, priority: -delay };
}
