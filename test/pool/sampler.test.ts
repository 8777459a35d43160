import { describe, expect, test } from 'vitest';
import { Sampler } from '../../src/pool/sampler.ts';

const FAST = 0.5;
const SLOW = 2;

/** Reads the clock whenever that is due, `elapsed` ms after the last reading; returns how many occasions lay between. */
function strides(sampler: Sampler, readings: number, elapsed: number, time: { now: number }): number[] {
  return Array.from({ length: readings }, () => {
    let occasions = 1;
    while (!sampler.due()) occasions++;
    time.now += elapsed;
    sampler.read(time.now);
    return occasions;
  });
}

describe('a sampler', () => {
  test('reads the clock at the first occasion', () => {
    expect(new Sampler(FAST, SLOW).due()).toBe(true);
  });

  test('looks less and less often while occasions come fast, at last at every 64th', () => {
    const found = strides(new Sampler(FAST, SLOW), 10, FAST / 2, { now: 0 });
    expect(found).toEqual([1, 2, 4, 8, 16, 32, 64, 64, 64, 64]);
  });

  test('looks at every occasion again once they come slowly', () => {
    const sampler = new Sampler(FAST, SLOW);
    const time = { now: 0 };
    strides(sampler, 10, FAST / 2, time);
    expect(strides(sampler, 9, SLOW * 2, time)).toEqual([64, 32, 16, 8, 4, 2, 1, 1, 1]);
  });

  test('keeps its stride at a moderate pace', () => {
    const sampler = new Sampler(FAST, SLOW);
    const time = { now: 0 };
    strides(sampler, 4, FAST / 2, time);
    for (const elapsed of [FAST, 1, SLOW]) expect(strides(sampler, 3, elapsed, time)).toEqual([16, 16, 16]);
  });

  test('stays due until the clock was read', () => {
    const sampler = new Sampler(FAST, SLOW);
    expect([sampler.due(), sampler.due(), sampler.due()]).toEqual([true, true, true]);
    sampler.read(0);
    expect([sampler.due(), sampler.due()]).toEqual([false, true]);
  });

  test('takes a reading that was made for another reason as one of its own', () => {
    const sampler = new Sampler(FAST, SLOW);
    const time = { now: 0 };
    strides(sampler, 3, FAST / 2, time);
    sampler.due();
    sampler.read(time.now);
    expect(strides(sampler, 1, FAST / 2, time)).toEqual([16]);
  });
});
