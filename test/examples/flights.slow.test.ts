import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runFlights } from '../../examples/flights/pipeline.ts';
import { archivedLines, countFlights, expectCounts } from './flights-count.ts';

it('counts and archives all 200,000 flights as an independent pass over the raw data does', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'flights-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const out = join(directory, 'flights.ndjson');
  const run = await runFlights({ limit: Number.POSITIVE_INFINITY, out, signal: new AbortController().signal });
  const expected = countFlights(Number.POSITIVE_INFINITY);
  expect(expected).toMatchObject({ flights: 200_000, bad: 50 });
  expectCounts(run, expected);
  expect(archivedLines(out)).toEqual(expected.lines);
}, 60_000);
