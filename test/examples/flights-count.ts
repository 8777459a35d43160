import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect } from 'vitest';
import type { FlightRun } from '../../examples/flights/pipeline.ts';

interface RawFlight {
  delay: number;
  distance: number;
  time: number;
}

/** What a run must come to, counted in one pass over the raw data, without anything of the example. */
export function countFlights(limit: number) {
  const entry = createRequire(import.meta.url).resolve('vega-datasets');
  const file = new URL('../data/flights-200k.json', `file://${entry}`);
  const flights = (JSON.parse(readFileSync(file, 'utf8')) as RawFlight[]).slice(0, limit);
  const hours = Array.from({ length: 24 }, () => {
    return { flights: 0, bands: { early: 0, 'on time': 0, moderate: 0, major: 0, extreme: 0 }, minutes: 0 };
  });
  const topics = {
    'flights/on-time': 0,
    'flights/late/moderate': 0,
    'flights/late/major': 0,
    'flights/late/extreme': 0,
  };
  for (const { delay, time } of flights) {
    const hour = hours[Math.trunc(time)];
    if (hour === undefined) throw new Error(`the data has an hour ${time}`);
    hour.flights++;
    hour.minutes += delay;
    if (delay < 0) hour.bands.early++;
    else if (delay < 15) hour.bands['on time']++;
    else if (delay < 60) hour.bands.moderate++;
    else if (delay < 180) hour.bands.major++;
    else hour.bands.extreme++;
    if (delay < 15) topics['flights/on-time']++;
    else if (delay < 60) topics['flights/late/moderate']++;
    else if (delay < 180) topics['flights/late/major']++;
    else topics['flights/late/extreme']++;
  }
  // After each 4,000 flights one bad record, of five that take turns.
  const bad = Array.from({ length: Math.floor(flights.length / 4_000) }, (_, at) => at % 5);
  const turns = (...which: number[]): number => bad.filter((turn) => which.includes(turn)).length;
  topics['flights/late/moderate'] += turns(0, 1);
  topics['flights/late/extreme'] += turns(4);
  const BAD = [
    '{"delay":25,"distance":500,"time":24.5}',
    '{"delay":25,"distance":500}',
    '{"delay":"late","distance":500,"time":12}',
    'null',
    '{"delay":200,"distance":-1,"time":9.5}',
  ];
  const lines = [...flights.map((flight) => JSON.stringify(flight)), ...bad.map((turn) => BAD[turn] as string)];
  const errors = {
    'out of range': turns(0, 4),
    'missing field': turns(1),
    'not a number': turns(2),
    'not an object': turns(3),
  };
  return { flights: flights.length, bad: bad.length, hours, topics, lines: lines.sort(), errors };
}

/** The lines of an archive, in sorted order; a line that is not ended counts as a mistake. */
export function archivedLines(path: string): string[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines.sort();
}

/** Compares everything that a run counts with the independent count. */
export function expectCounts(run: FlightRun, expected: ReturnType<typeof countFlights>): void {
  const { accounts, parts } = run;
  const records = expected.flights + expected.bad;
  const { topics } = expected;
  expect(run).toMatchObject({ flights: expected.flights, records });
  const late = topics['flights/late/moderate'] + topics['flights/late/major'] + topics['flights/late/extreme'];
  const noErrors = new Map();
  expect(accounts.failure).toBeUndefined();
  expect(Object.fromEntries(accounts.byCollector)).toEqual({
    archive: { ok: records, errors: noErrors },
    statistics: { ok: expected.flights, errors: new Map(Object.entries(expected.errors).filter(([, n]) => n > 0)) },
    late: { ok: late, errors: noErrors },
    punctual: { ok: topics['flights/on-time'], errors: noErrors },
    audit: { ok: expected.bad + 1, errors: noErrors },
  });
  expect(parts.get('statistics')?._unsafeUnwrap()).toEqual(expected.hours);
  expect({
    ...Object.fromEntries(parts.get('late')?._unsafeUnwrap() ?? []),
    ...Object.fromEntries(parts.get('punctual')?._unsafeUnwrap() ?? []),
  }).toEqual(topics);
  expect(parts.get('archive')?._unsafeUnwrap()).toEqual({ lines: records });
}
