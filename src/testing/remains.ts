import { inspect } from 'node:util';
import type { QueuedEvent } from '../core/event.ts';
import { Handover } from '../core/handover.ts';
import type { QueueRun } from '../core/run.ts';
import { ScheduledEvent } from '../core/scheduled.ts';
import type { SentRecord } from './call-log.ts';

/** How many of what is left are named. */
const MOST_NAMED = 10;
const MOST_CHARACTERS = 120;

/** What a queue has left undone, in words: a line for how many events, and one for each of the first. */
export function describeRemains(
  run: QueueRun | undefined,
  sent: readonly QueuedEvent[],
  calls: readonly SentRecord[],
  now: number,
): string {
  if (run === undefined) return 'the queue is not up';
  const { accepted, settled } = run.ledger;
  const unsettled = accepted - settled;
  const lines = sent.map((event) => describeEvent(event, run, calls, now));
  const unseen = unsettled - sent.length;
  if (unseen > 0) lines.push(`${counted(unseen, 'payload')} that the queue sent itself (a schedule, a dead letter)`);
  const ids = new Set(sent.map((event) => event.id));
  for (const call of calls) if (!ids.has(call.eventId)) lines.push(`work that goes on: ${describeCall(call, now)}`);
  const rest = lines.length - MOST_NAMED;
  const named = lines.slice(0, MOST_NAMED).map((line) => `\n  - ${line}`);
  return [
    unsettled === 0
      ? 'every event has settled, but work goes on'
      : `${counted(unsettled, 'event')} ${unsettled === 1 ? 'has' : 'have'} not settled`,
    ...named,
    rest > 0 ? `\n  - … and ${rest} more` : '',
  ].join('');
}

/** A value on one line, cut where it is long. */
export function brief(value: unknown): string {
  const text = inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 20 });
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Where an event stands, in words. */
export function describeStanding(event: QueuedEvent, now: number): string {
  const { status, outcome } = event;
  if (status !== 'scheduled' || !(outcome instanceof ScheduledEvent)) return status;
  return `scheduled, due in ${outcome.due - now} ms`;
}

function describeEvent(event: QueuedEvent, run: QueueRun, calls: readonly SentRecord[], now: number): string {
  const value = brief(event.payload?.value);
  const own = calls.filter(({ eventId }) => eventId === event.id).map((call) => describeCall(call, now));
  if (own.length > 0) return `${value}: ${event.status}, in ${own.join(', ')}`;
  const standing = describeStanding(event, now);
  if (event.status === 'waiting') return `${value}: waiting${run.pool.paused ? ', the queue is paused' : ''}`;
  const keys = unfinished(event).map((key) => `"${key}"`);
  return keys.length === 0 ? `${value}: ${standing}` : `${value}: ${standing}, of ${keys.join(', ')}`;
}

/** The keys of the collectors that have brought no result. */
function unfinished({ collectors, outcome }: QueuedEvent): string[] {
  const results = outcome instanceof Handover ? outcome.results : [];
  return collectors.filter((_, at) => results[at] === undefined).map(({ key }) => key);
}

function describeCall({ collectorKey, attempt, at }: SentRecord, now: number): string {
  return `"${collectorKey}" (attempt ${attempt}, since ${now - at} ms)`;
}
