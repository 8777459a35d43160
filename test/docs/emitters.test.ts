import { HttpEmitter } from 'collector-queue/http';
import { LevelEventStore, MemoryEventStore } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { defaultsOf, namesIn, namesKnown, rowsUnder, withoutMarks } from './tables.ts';

const EMITTERS = 'docs/EMITTERS.md';
const STORES = 'docs/EVENT-STORES.md';

const emitter = new HttpEmitter('127.0.0.1');

const TABLES = [
  {
    head: 'option of an HttpEmitter',
    document: EMITTERS,
    known: namesKnown((unknown) => new HttpEmitter('127.0.0.1', unknown)),
    defaults: defaultsOf('src/http/options.ts', 'HttpEmitterOptions'),
  },
  {
    head: "option of an emitter's collector",
    document: EMITTERS,
    known: ['ack', 'closeTimeout'],
    defaults: defaultsOf('src/emitter/collector.ts', 'EmitterCollectorOptions'),
  },
  {
    head: 'option of a MemoryEventStore',
    document: STORES,
    known: namesKnown((unknown) => new MemoryEventStore(unknown)),
    defaults: defaultsOf('src/store/memory-store.ts', 'MemoryEventStoreOptions'),
  },
  {
    head: 'option of a LevelEventStore',
    document: STORES,
    known: namesKnown((unknown) => new LevelEventStore('reports/never-opened', unknown)),
    defaults: defaultsOf('src/store/level-options.ts', 'LevelEventStoreOptions'),
  },
];

describe.each(TABLES)('the table "$head"', ({ document, head, known, defaults }) => {
  const rows = rowsUnder(document, head);

  test('lists those that there are, each once', () => {
    expect(rows.flatMap(([names]) => namesIn(names)).sort()).toEqual(known);
  });

  test('has the defaults that the code has', () => {
    const said = rows.flatMap(([names, value = '']) => namesIn(names).map((name) => [name, withoutMarks(value)]));
    expect(defaults.length).toBeGreaterThan(0);
    expect(Object.fromEntries(said)).toMatchObject(Object.fromEntries(defaults));
  });

  test('says something of each', () => {
    for (const cells of rows) expect([cells.length, cells[2]?.slice(0, 1)]).toEqual([3, expect.stringMatching(/\S/)]);
  });
});

test('the table of metrics lists those that there are', () => {
  const listed = rowsUnder(EMITTERS, 'metric').flatMap(([names]) => namesIn(names));
  expect(listed.sort()).toEqual(Object.keys(emitter.getMetrics()).sort());
});
