import { AssertionError } from 'node:assert';
import { describe, describeThrown, InvalidArgumentError } from '../core/errors.ts';
import type { CollectorEvent } from '../core/event.ts';
import type { AnyResultOf, Outcomes, ResultList } from '../core/results.ts';
import { queuedEventOf } from '../core/shared-event.ts';
import type { SentRecord } from './call-log.ts';
import { matches } from './matches.ts';
import { brief, counted, describeStanding } from './remains.ts';

/** What a failed expectation is told of. */
interface Failure {
  readonly message: string;
  readonly actual: unknown;
  readonly expected: unknown;
  /** The name of the expectation. */
  readonly operator: string;
  /** The stack begins above this function, at the line of the test. */
  readonly above: (...args: never[]) => unknown;
}

/** How many of what was sent are listed. */
const MOST_LISTED = 10;

/** The first record whose value is as expected. @throws AssertionError if there is none */
export function findSent(
  key: string,
  records: readonly SentRecord[],
  expectation: readonly unknown[],
  above: Failure['above'],
): SentRecord {
  const [expected] = expectation;
  const any = expectation.length === 0;
  const fits = (value: unknown): boolean =>
    any || (isFunction(expected) ? expected(value) === true : matches(value, expected));
  const found = records.find(({ value }) => fits(value));
  if (found !== undefined) return found;
  const wanted = any
    ? 'nothing'
    : `nothing ${isFunction(expected) ? 'for which the function gives true' : `like ${brief(expected)}`}`;
  fail({
    message: `collector "${key}" was sent ${wanted}${listed(records)}`,
    actual: records.map(({ value }) => value),
    expected: any || isFunction(expected) ? undefined : [expected],
    operator: 'expectSent',
    above,
  });
}

/** @throws AssertionError if there is a record */
export function refuseSent(key: string, records: readonly SentRecord[], above: Failure['above']): void {
  if (records.length === 0) return;
  fail({
    message: `collector "${key}" should have been sent nothing${listed(records)}`,
    actual: records.map(({ value }) => value),
    expected: [],
    operator: 'expectNothingSent',
    above,
  });
}

/** The results of an event that has settled, each an `Ok`. @throws AssertionError otherwise */
export function settledOk<M extends Outcomes>(
  event: CollectorEvent<M>,
  now: number,
  above: Failure['above'],
): ResultList<M> {
  const list = settledList(event, now, 'expectSettledOk', above);
  if (list.isOk()) return list;
  fail({
    message: `the event has settled with ${counted(list.errs().length, 'Err')}, of ${counted(list.length, 'result')}${outcomes(list)}`,
    actual: list.errs(),
    expected: [],
    operator: 'expectSettledOk',
    above,
  });
}

/** The first error of an event that has settled, that is as expected. @throws AssertionError if there is none */
export function settledErr(
  event: CollectorEvent,
  expectation: readonly unknown[],
  now: number,
  above: Failure['above'],
): unknown {
  const operator = 'expectSettledErr';
  const [expected] = expectation;
  const fits = errorFilter(operator, expectation);
  const list = settledList(event, now, operator, above);
  const errors: unknown[] = list.errs();
  const found = errors.findIndex(fits);
  if (found !== -1) return errors[found];
  const wanted =
    expectation.length === 0
      ? 'an Err'
      : isFunction(expected)
        ? expected.name
        : `an Err of the code ${brief(expected)}`;
  fail({
    message: `the event has settled without ${wanted}${outcomes(list)}`,
    actual: errors,
    expected: expectation.length === 0 ? undefined : expected,
    operator,
    above,
  });
}

function settledList<M extends Outcomes>(
  event: CollectorEvent<M>,
  now: number,
  operator: string,
  above: Failure['above'],
): ResultList<M> {
  const queued = queuedEventOf(event);
  if (queued === undefined) {
    throw new InvalidArgumentError(`${operator}: event`, 'what a send returned', describe(event));
  }
  const list = event.getResult();
  if (list !== undefined) return list;
  fail({
    message: `the event has not settled: it is ${describeStanding(queued, now)}`,
    actual: event.status,
    expected: 'settled',
    operator,
    above,
  });
}

/** By its class, by its `code`, or any. */
function errorFilter(operator: string, [expected]: readonly unknown[]): (error: unknown) => boolean {
  if (expected === undefined) return () => true;
  if (typeof expected === 'string') return (error) => (error as { code?: unknown } | undefined)?.code === expected;
  if (isFunction(expected)) return (error) => error instanceof (expected as unknown as typeof Error);
  throw new InvalidArgumentError(`${operator}: expected`, 'a class of errors, or a code', describe(expected));
}

function listed(records: readonly SentRecord[]): string {
  if (records.length === 0) return '';
  const lines = records.slice(0, MOST_LISTED).map(({ value, attempt }) => {
    return `\n  - ${brief(value)}${attempt === 1 ? '' : ` (attempt ${attempt})`}`;
  });
  const more = records.length > MOST_LISTED ? `\n  - … and ${records.length - MOST_LISTED} more` : '';
  return `; it was sent:${lines.join('')}${more}`;
}

function outcomes(list: ResultList): string {
  const keys = list.keys();
  const lines = [...list].map((result: AnyResultOf<Outcomes>, at) => {
    const outcome = result.isOk() ? `Ok(${brief(result.value)})` : `Err(${describeThrown(result.error)})`;
    return `\n  - ${keys[at] === undefined ? '' : `${keys[at]}: `}${outcome}`;
  });
  return `:${lines.join('')}`;
}

function isFunction(value: unknown): value is (value: unknown) => unknown {
  return typeof value === 'function';
}

function fail({ message, actual, expected, operator, above }: Failure): never {
  throw new AssertionError({ message, actual, expected, operator, stackStartFn: above });
}
