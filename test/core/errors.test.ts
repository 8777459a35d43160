import { readFileSync } from 'node:fs';
import * as library from 'collector-queue';
import {
  CancelTask,
  CollectorQueueError,
  ErrorCode,
  InvalidArgumentError,
  LifecycleError,
  ProcessorError,
  QueueFullError,
  RetryTask,
  TaskControl,
} from 'collector-queue';
import * as bullmq from 'collector-queue/bullmq';
import * as emitters from 'collector-queue/emitter';
import * as http from 'collector-queue/http';
import * as redis from 'collector-queue/redis';
import * as socket from 'collector-queue/socket';
import * as stores from 'collector-queue/store';
import * as testing from 'collector-queue/testing';
import { describe, expect, test } from 'vitest';

type ErrorClass = new (...args: unknown[]) => Error & { code: string; retryable: boolean };

/** What a processor throws to say what becomes of its task is no error of the library. */
const bases: unknown[] = [CollectorQueueError, TaskControl, RetryTask, CancelTask];

/** The error classes that the package exports by any of its doors, without their base. */
function errorClasses(): [name: string, make: ErrorClass][] {
  const exported: Record<string, unknown> = {
    ...library,
    ...emitters,
    ...stores,
    ...http,
    ...redis,
    ...bullmq,
    ...socket,
    ...testing,
  };
  return Object.entries(exported).filter(
    (entry): entry is [string, ErrorClass] =>
      typeof entry[1] === 'function' && !bases.includes(entry[1]) && entry[1].prototype instanceof Error,
  );
}

/** What the code says: one row per error class that the package exports. */
function rowsOfCode(): string[] {
  return errorClasses()
    .map(([name, make]) => `${new make('a', 'b', 'c').code} ${name} ${retryableOf(make)}`)
    .sort();
}

/** Some are told whether they are, when they are made. */
function retryableOf(make: ErrorClass): string {
  const [told, otherwise] = [new make('a', 'b', 'c'), new make('a', '', '')].map(({ retryable }) => Boolean(retryable));
  return told !== otherwise ? 'depends' : told ? 'yes' : 'no';
}

/** What the page says: the rows of its table. */
function rowsOfPage(): { row: string; when: string }[] {
  const page = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');
  return [...page.matchAll(/^\| `(\w+)` \| `(\w+)` \| (.*) \| (\w+) \|$/gm)].map(([, code, name, when, retryable]) => ({
    row: `${code} ${name} ${retryable}`,
    when: when as string,
  }));
}

describe('the table of errors', () => {
  test('has every error of the code, and the code has every error of the table', () => {
    const rows = rowsOfPage().map(({ row }) => row);
    expect([...rows].sort()).toEqual(rowsOfCode());
    expect(new Set(rows).size).toBe(rows.length);
  });

  test('has a row for every line that looks like one, and each says when', () => {
    const page = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');
    const lines = page.split('\n').filter((line) => line.startsWith('| `'));
    expect(rowsOfPage()).toHaveLength(lines.length);
    for (const { when } of rowsOfPage()) expect(when.length).toBeGreaterThan(20);
  });

  test('has every code that there is, each for one class', () => {
    const codes = rowsOfCode().map((row) => row.split(' ')[0]);
    expect(codes).toEqual(Object.values(ErrorCode).sort());
  });
});

describe('an error', () => {
  test('is an Error with its class for a name, and of the common base unless it is a wrong argument', () => {
    for (const [name, make] of errorClasses()) {
      const error = new make('a', 'b', 'c');
      expect(error.name).toBe(name);
      expect(error).toBeInstanceOf(make === (InvalidArgumentError as unknown) ? TypeError : CollectorQueueError);
      expect(String(error)).toContain(`${name}: `);
      expect(error.stack).toContain(name);
    }
  });

  test('has the cause that it was given', () => {
    const cause = new Error('inside');
    expect(new QueueFullError('full', { cause }).cause).toBe(cause);
    expect('cause' in new QueueFullError('full')).toBe(false);
    expect(new ProcessorError('a', cause).cause).toBe(cause);
    expect(new LifecycleError('failed', [cause, new Error('later')]).cause).toBe(cause);
  });

  test('of a processor says what was thrown, in one line, whatever it was', () => {
    const message = (thrown: unknown): string => new ProcessorError('a', thrown).message;
    const start = 'the processor of collector "a" failed: ';
    expect(message(new RangeError('too far'))).toBe(`${start}RangeError: too far`);
    expect(message('text')).toBe(`${start}text`);
    expect(message(undefined)).toBe(`${start}undefined`);
    expect(message(null)).toBe(`${start}null`);
    expect(message(7n)).toBe(`${start}the bigint 7n`);
    expect(message(Symbol('secret'))).toBe(`${start}a symbol`);
    expect(message({ secret: 1 })).toBe(`${start}an object`);
    expect(message([1, 2])).toBe(`${start}an array of length 2`);
    expect(message(new Map())).toBe(`${start}a Map`);
    expect(message(() => 1)).toBe(`${start}a function`);
    const nameless = Object.defineProperty(() => 1, 'name', {
      get: () => {
        throw new Error('no name');
      },
    });
    expect(message(nameless)).toBe(`${start}a function`);
    const hostile = Object.defineProperty(new Error(), 'message', {
      get: () => {
        throw new Error('no message');
      },
    });
    expect(message(hostile)).toBe(`${start}a value that cannot be described`);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(message(proxy)).toBe(`${start}a value that cannot be described`);
    const classless = Object.defineProperty({}, 'constructor', {
      get: () => {
        throw new Error('no class');
      },
    });
    expect(message(classless)).toBe(`${start}an object`);
  });
});
