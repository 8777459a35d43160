import { CollectorQueueInstrumentation } from 'collector-queue/opentelemetry';
import { describe, expect, test } from 'vitest';
import { AttributeName, MetricName } from '../../src/opentelemetry/conventions.ts';
import { defaultsOf, namesIn, namesKnown, rowsUnder, withoutMarks } from './tables.ts';

const page = 'docs/OPENTELEMETRY.md';

/** The dotted names in code spans of the first column. */
function dottedUnder(head: string): string[] {
  const cells = rowsUnder(page, head).map(([names = '']) => names);
  return cells.flatMap((cell) => [...cell.matchAll(/`([\w.]+)`/g)].map((name) => name[1] as string)).sort();
}

describe('the page about OpenTelemetry', () => {
  test('lists the attributes that there are', () => {
    expect(dottedUnder('attribute')).toEqual(Object.values(AttributeName).sort());
  });

  test('lists the metrics that there are', () => {
    expect(dottedUnder('metric')).toEqual(Object.values(MetricName).sort());
  });

  test('lists the options that there are, with their defaults', () => {
    const rows = rowsUnder(page, 'option of the instrumentation');
    const known = namesKnown((unknown) => new CollectorQueueInstrumentation(unknown));
    expect(rows.flatMap(([names]) => namesIn(names)).sort()).toEqual(known);
    const documented = rows.map(([name = '', value = '']) => [withoutMarks(name), withoutMarks(value)]);
    expect(documented).toEqual(defaultsOf('src/opentelemetry/options.ts', 'InstrumentationOptions'));
  });
});
