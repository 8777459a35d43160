import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RedisEmitter, RedisForwarder } from 'collector-queue/redis';
import { MemoryEventStore } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { programsIn } from '../docs/programs.ts';
import { defaultsOf, namesIn, namesKnown, rowsUnder, withoutMarks } from '../docs/tables.ts';

const DOCUMENT = 'docs/REDIS.md';
const ANYWHERE = 'redis://localhost';

const emitter = new RedisEmitter(ANYWHERE, { eventStore: new MemoryEventStore() });

const TABLES = [
  {
    head: 'option of a RedisEmitter',
    known: namesKnown((unknown) => new RedisEmitter(ANYWHERE, unknown)),
    defaults: defaultsOf('src/redis/options.ts', 'RedisEmitterOptions'),
  },
  {
    head: 'option of a RedisForwarder',
    known: namesKnown((unknown) => new RedisForwarder(ANYWHERE, emitter, unknown)),
    defaults: defaultsOf('src/redis/forwarder-options.ts', 'RedisForwarderOptions'),
  },
];

describe.each(TABLES)('the table "$head"', ({ head, known, defaults }) => {
  const rows = rowsUnder(DOCUMENT, head);

  test('lists those that there are, each once', () => {
    expect(rows.flatMap(([names]) => namesIn(names)).sort()).toEqual(known);
  });

  test('has the defaults that the code has', () => {
    const said = rows.flatMap(([names, value = '']) => namesIn(names).map((name) => [name, withoutMarks(value)]));
    const ofCode = defaults.filter(([name]) => name !== 'clock');
    expect(ofCode.length).toBeGreaterThan(1);
    expect(Object.fromEntries(said)).toMatchObject(Object.fromEntries(ofCode));
  });
});

test('the snippets are programs that are type-checked with the others', () => {
  const text = readFileSync(join(import.meta.dirname, '../..', DOCUMENT), 'utf8');
  expect(programsIn(DOCUMENT, text).length).toBe(5);
});
