import { err } from 'collector-queue';
import { describe, expect, test } from 'vitest';
import { readFailure, writeFailure } from '../../../src/bullmq/messages/failure-text.ts';
import { readResult, writeResult } from '../../../src/bullmq/messages/result-message.ts';
import { Seal } from '../../../src/bullmq/messages/seal.ts';
import { jsonSerializer } from '../../../src/bullmq/messages/serializer.ts';
import { SECRET } from './alterations.ts';

const ADDRESS = { queue: 'orders', jobId: 'e-1' };
const seal = new Seal({ secret: SECRET, maxAge: 60_000 });
const { body } = writeResult(err(new TypeError('no id\nat all')), jsonSerializer);
const envelope = seal.close('result', ADDRESS, 1_000, body);

describe('what a failed job says', () => {
  test('is a line for people, and the whole error for who waits', () => {
    const text = writeFailure('TypeError: no id\r\n  at all', envelope);
    expect(text.split('\n')).toHaveLength(2);
    expect(text.split('\n')[0]).toBe('TypeError: no id at all');
    const read = seal
      .open('result', ADDRESS, readFailure(text), 2_000)
      .andThen((one) => readResult(one, jsonSerializer));
    expect(read._unsafeUnwrapErr()).toMatchObject({ name: 'TypeError', message: 'no id\nat all' });
  });

  test('has a line of bounded length', () => {
    const text = writeFailure('😀\u2028'.repeat(10_000), envelope);
    expect(text.indexOf('\n')).toBeLessThanOrEqual(500);
    expect(readFailure(text)).toEqual(envelope);
  });

  test('cannot be moved to another job', () => {
    const text = writeFailure('failed', envelope);
    const opened = seal.open('result', { ...ADDRESS, jobId: 'e-2' }, readFailure(text), 2_000);
    expect(opened._unsafeUnwrapErr().reason).toBe('wrong signature');
  });

  test.each([
    ['one line', 'job stalled more than allowable limit'],
    ['no text', undefined],
    ['null', null],
    ['an object', { toString: () => writeFailure('x', envelope) }],
    ['a stack', 'Error: x\n    at somewhere (file.js:1:1)'],
    ['half an envelope', writeFailure('x', envelope).slice(0, -5)],
  ])('has no envelope if it is %s', (_, text) => {
    expect(readFailure(text)).toBeUndefined();
    expect(seal.open('result', ADDRESS, readFailure(text), 2_000)._unsafeUnwrapErr().reason).toBe('malformed');
  });
});
