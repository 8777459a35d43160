import { expect, test } from 'vitest';
import { forge } from './forgery.ts';

test('of 10,000 messages that were altered after they were signed, none is believed', () => {
  const { believed, read, reasons } = forge(10_000);
  expect({ believed, read }).toEqual({ believed: 0, read: 0 });
  expect([...reasons.values()].reduce((sum, count) => sum + count, 0)).toBe(10_000);
}, 120_000);
