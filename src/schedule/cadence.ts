import { Cron } from 'croner';
import type { Clock } from './clock.ts';

/**
 * The due times of one task, from a cron expression or an interval. It counts each due time once and keeps no timer:
 * whoever owns it asks when to look, and looks.
 */
export interface Cadence {
  /** Begins now, or begins again: what was due before is none of its concern. The first due time is still to come. */
  begin(): void;
  /** How many due times have come since it began or was last asked. Moves on to the one after them. */
  pass(): number;
  /** The due time to come, in milliseconds since the Unix epoch; undefined if there is none any more. */
  readonly nextDue: number | undefined;
  /** When to ask {@link Cadence.pass} again, on `clock.now()`: at the due time, or before. Undefined with no due time. */
  readonly lookAt: number | undefined;
}

/** Makes the error for a wrong argument. */
type RefuseArgument = (argument: string, expected: string, value: unknown) => Error;

/** The wall clock may jump while nobody looks; after this time, in milliseconds, it is noticed. */
const LOOK_AHEAD = 60_000;

/** A wall clock that went back by more than this, in milliseconds, was wrong before, not now. */
const LARGEST_STEP_BACK = 24 * 60 * 60 * 1000;

/** Counting the due times of a cron takes time for each: this many are a fraction of a second. */
const MOST_COUNTED = 1_000;

const LONGEST_REASON = 200;

/**
 * The cadence that a user asks for, resolved. Each is for one task.
 *
 * @param cadence - a cron expression of five fields (six with seconds before, seven with years behind), or milliseconds
 * @param timeZone - of the cron expression; undefined for that of the machine
 * @throws what `refuse` makes, for the argument `cadence` or `timeZone`: for an expression that is malformed or has no
 *   date to come, an interval that is not finite or below 1, an unknown time zone, or one beside an interval
 */
export function checkCadence(cadence: unknown, timeZone: unknown, clock: Clock, refuse: RefuseArgument): Cadence {
  if (typeof cadence === 'string') return checkCron(cadence, checkTimeZone(timeZone, refuse), clock, refuse);
  if (typeof cadence !== 'number') {
    throw refuse('cadence', 'a cron expression or a number of milliseconds', cadence);
  }
  if (!Number.isFinite(cadence) || cadence < 1) {
    throw refuse('cadence', 'a finite number of at least 1 millisecond', cadence);
  }
  if (timeZone !== undefined) throw refuse('timeZone', 'left out beside a number of milliseconds', timeZone);
  return new IntervalCadence(cadence, clock);
}

function checkTimeZone(timeZone: unknown, refuse: RefuseArgument): string | undefined {
  if (timeZone === undefined) return undefined;
  if (typeof timeZone !== 'string') throw refuse('timeZone', 'the name of a time zone', timeZone);
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return timeZone;
  } catch (error) {
    throw refuse('timeZone', `the name of a time zone (${reason(error)})`, timeZone);
  }
}

function checkCron(expression: string, timeZone: string | undefined, clock: Clock, refuse: RefuseArgument): Cadence {
  // To croner, what has a colon is a date on which to run once.
  if (expression.includes(':')) throw refuse('cadence', 'a cron expression, which has no colon', expression);
  let cron: Cron;
  let next: Date | null;
  try {
    cron = readCron(expression, timeZone);
    next = cron.nextRun(new Date(clock.wall()));
  } catch (error) {
    throw refuse('cadence', `a cron expression (${reason(error)})`, expression);
  }
  if (next === null) throw refuse('cadence', 'a cron expression with a date to come', expression);
  return new CronCadence(cron, clock);
}

/**
 * Croner only computes dates here; without a function to call it sets no timer. By its rule "no-wildcard" a time that
 * is named, in a list too, comes once on a day on which the clocks change.
 */
function readCron(expression: string, timeZone: string | undefined): Cron {
  const zone = timeZone === undefined ? {} : { timezone: timeZone };
  return new Cron(expression, { ...zone, paused: true, fixedTimeRule: 'no-wildcard' });
}

/** What another's error says, short and in one line: it may repeat what the user passed. */
function reason(error: unknown): string {
  const message = (error as Error).message.replaceAll(/\s+/g, ' ');
  return message.length > LONGEST_REASON ? `${message.slice(0, LONGEST_REASON)}…` : message;
}

/** Every so many milliseconds after it began, by the clock that never goes back. Lateness does not add up. */
class IntervalCadence implements Cadence {
  readonly #interval: number;
  readonly #clock: Clock;
  #origin = 0;
  /** The due time to come is so many intervals after the origin. */
  #upcoming = 1;

  constructor(interval: number, clock: Clock) {
    this.#interval = interval;
    this.#clock = clock;
  }

  begin(): void {
    this.#origin = this.#clock.now();
    this.#upcoming = 1;
  }

  pass(): number {
    const passed = this.#firstAfter(this.#clock.now()) - this.#upcoming;
    this.#upcoming += passed;
    return passed;
  }

  get nextDue(): number {
    return this.#clock.wall() + this.lookAt - this.#clock.now();
  }

  get lookAt(): number {
    return this.#at(this.#upcoming);
  }

  /** The quotient may be off by a rounding error, and by no more: the nearest is not yet due, or else the next is not. */
  #firstAfter(now: number): number {
    const nearest = Math.round((now - this.#origin) / this.#interval);
    return this.#at(nearest) > now ? nearest : nearest + 1;
  }

  #at(count: number): number {
    return this.#origin + count * this.#interval;
  }
}

/**
 * The dates of a cron expression, by the wall clock. If that is set forward, what was passed over has come. If it is set
 * back, what has come does not come twice, so nothing comes until the clock is there again; but no longer than a day.
 */
class CronCadence implements Cadence {
  readonly #cron: Cron;
  readonly #clock: Clock;
  /** The wall time of the last look. */
  #seen = Number.NEGATIVE_INFINITY;
  /** All dates up to this wall time have come and were counted. */
  #counted = Number.NEGATIVE_INFINITY;
  #due: number | undefined = undefined;

  constructor(cron: Cron, clock: Clock) {
    this.#cron = cron;
    this.#clock = clock;
  }

  begin(): void {
    this.#aim(this.#clock.wall());
  }

  pass(): number {
    const wall = this.#clock.wall();
    if (wall < this.#seen) this.#aim(wall);
    this.#seen = wall;
    return this.#count(wall);
  }

  get nextDue(): number | undefined {
    return this.#due;
  }

  get lookAt(): number | undefined {
    if (this.#due === undefined) return undefined;
    return this.#clock.now() + Math.min(this.#due - this.#clock.wall(), LOOK_AHEAD);
  }

  /** Finds the due time to come, however the wall clock has changed. */
  #aim(wall: number): void {
    if (this.#counted - wall > LARGEST_STEP_BACK) this.#counted = wall;
    this.#due = this.#firstAfter(Math.max(wall, this.#counted));
    this.#seen = wall;
  }

  #count(wall: number): number {
    if (this.#due === undefined || this.#due > wall) return 0;
    this.#counted = wall;
    for (let passed = 1; passed < MOST_COUNTED; passed++) {
      this.#due = this.#firstAfter(this.#due);
      if (this.#due === undefined || this.#due > wall) return passed;
    }
    this.#due = this.#firstAfter(wall);
    return MOST_COUNTED;
  }

  /** Always later than `wall`, also in an hour that the clocks repeat. */
  #firstAfter(wall: number): number | undefined {
    return this.#cron.nextRun(new Date(wall))?.getTime();
  }
}
