import { describe, expect, test } from 'vitest';
import { createLog } from '../../src/cli/log.ts';
import { describeEntry, describeStats } from '../../src/cli/spool-text.ts';
import { describeMetrics, StatusLine } from '../../src/cli/status-line.ts';
import type { SpoolMetrics } from '../../src/socket/index.ts';

const METRICS: SpoolMetrics = {
  received: 900,
  acknowledged: 800,
  refused: 0,
  stored: 40,
  storedBytes: 5_000,
  oldestAge: 1_250,
  sent: 760,
  retried: 1,
  deadLettered: 2,
  deadLetters: 0,
  deadLettersFull: false,
  dropped: 0,
  quarantined: 0,
  connections: 3,
  retryDelay: 0,
  uptime: 10_000,
};

describe('the log', () => {
  function logged(format: 'text' | 'json', fields: object, message = 'a message'): string {
    let written = '';
    createLog(format, (text) => (written += text)).warn(fields, message);
    return written;
  }

  test('as JSON is an object a line, whatever its fields are', () => {
    const line = logged('json', { error: new TypeError('wrong'), status: 503, text: 'two\nlines', missing: undefined });
    expect(line.split('\n')).toHaveLength(2);
    const { time, ...rest } = JSON.parse(line);
    expect(Number.isNaN(Date.parse(time))).toBe(false);
    expect(rest).toEqual({
      level: 'warn',
      message: 'a message',
      error: 'TypeError: wrong',
      status: 503,
      text: 'two\nlines',
    });
  });

  test('tells an error of the library as such', () => {
    expect(JSON.parse(logged('json', { err: new TypeError('wrong') })).error).toBe('TypeError: wrong');
    expect(logged('text', { err: new TypeError('wrong') })).toContain(' a message error=TypeError: wrong\n');
  });

  test('as JSON keeps its own members, whatever fields are called', () => {
    expect(JSON.parse(logged('json', { message: 'other', level: 'none', time: 0 }))).toMatchObject({
      level: 'warn',
      message: 'a message',
    });
  });

  test('as text is a line', () => {
    expect(logged('text', { a: 1 / 3, reason: new Error('x'), none: undefined })).toMatch(
      /^\d\d:\d\d:\d\d WARN a message a=0\.33 reason=Error: x\n$/,
    );
  });
});

describe('the status line', () => {
  test('has rates, backlog, oldest age, and what is wrong', () => {
    const later = { ...METRICS, acknowledged: 1_000, sent: 960, deadLetters: 2, retryDelay: 2_500 };
    expect(describeMetrics(METRICS, undefined, 0)).toBe('in –/s │ out –/s │ waiting 40 │ oldest 1.3 s │ 3 connections');
    expect(describeMetrics(later, METRICS, 2_000)).toBe(
      'in 100/s │ out 100/s │ waiting 40 │ oldest 1.3 s │ 3 connections │ 2 dead letters │ trying again in 2.5 s',
    );
  });

  test('stays below what is logged', () => {
    let written = '';
    const line = new StatusLine({ write: (text) => (written += text) }, async () => METRICS);
    line.above('logged\n');
    expect(written).toBe('logged\n');
    line.stop();
  });
});

describe('what operators read', () => {
  test('of an event is a line with its number, its time, and as much of it as there is room for', () => {
    const entry = { id: 7, at: 0, event: { text: 'x'.repeat(100) } };
    const line = describeEntry(entry, 80);
    expect(line).toHaveLength(80);
    expect(line).toBe(`       7  1970-01-01T00:00:00.000Z  {"text":"${'x'.repeat(34)}…`);
  });

  test('of a dead letter has the reason', () => {
    const entry = { id: 7, at: 0, event: { reason: 'refused: 400', status: 400, event: { n: 1 } } };
    expect(describeEntry(entry, 120)).toBe('       7  1970-01-01T00:00:00.000Z  refused: 400  {"n":1}');
  });

  test('of the figures is a line each', () => {
    const text = describeStats(METRICS);
    expect(text).toMatch(/^events that wait +40$/m);
    expect(text).toMatch(/^age of the oldest +1\.3 s$/m);
  });
});
