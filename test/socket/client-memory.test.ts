import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { expect, test } from 'vitest';
import type { Timer } from '../../src/schedule/clock.ts';
import { running } from './daemon-scene.ts';
import { ShiftedClock, some, until } from './scene.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Its long timers ring when the test says so. */
class CalendarClock extends ShiftedClock {
  #due: { readonly at: number; readonly callback: () => void }[] = [];

  override readonly setTimer = (callback: () => void, delay: number, isBackground?: boolean): Timer => {
    if (delay < 60_000 || isBackground !== true) return new ShiftedClock().setTimer(callback, delay, isBackground);
    const timer = { at: this.shift + delay, callback };
    this.#due.push(timer);
    return {
      cancel: () => {
        this.#due = this.#due.filter((one) => one !== timer);
      },
    };
  };

  get waits(): number {
    return this.#due.length;
  }

  /** Lets time pass, some hours after the others. */
  async pass(duration: number): Promise<void> {
    for (const end = this.shift + duration; this.shift < end; ) {
      this.shift += 6 * HOUR;
      const ringing = this.#due.filter(({ at }) => at <= this.shift);
      this.#due = this.#due.filter((timer) => !ringing.includes(timer));
      for (const { callback } of ringing) callback();
      await until(() => this.#due.length > 0);
    }
  }
}

const frame = (seq: number) => ({ $: 'events', seq, events: some(1, seq) });

test('a client that says nothing but pings for longer than it is remembered keeps its number', async () => {
  const clock = new CalendarClock();
  const first = await running({ clock });
  const one = await first.client();
  await one.hello('quiet');
  await one.ask(frame(1));
  for (let day = 0; day < 9; day++) {
    await clock.pass(DAY);
    expect(await one.ask({ $: 'ping', id: day })).toEqual({ $: 'pong', id: day });
  }
  await first.daemon.stop();
  const second = await first.again();
  const again = await second.client();
  expect(await again.hello('quiet')).toBe(1);
  expect(await again.ask(frame(1))).toEqual({ $: 'ack', seq: 1 });
  expect((await second.daemon.getMetrics()).received).toBe(0);
});

test('a client that says hello now and then keeps it, too', async () => {
  const clock = new CalendarClock();
  const first = await running({ clock });
  const one = await first.client();
  await one.hello('rare');
  await one.ask(frame(1));
  for (let time = 0; time < 3; time++) {
    one.end();
    await clock.pass(5 * DAY);
    const visitor = await first.client();
    expect(await visitor.hello('rare')).toBe(1);
    visitor.end();
    await until(async () => (await first.daemon.getMetrics()).connections === 0);
  }
  await clock.pass(DAY);
  await first.daemon.stop();
  clock.shift += 5 * DAY;
  expect(await (await (await first.again()).client()).hello('rare')).toBe(1);
});

test('a client is forgotten a while after its last word, with all that was kept of it', async () => {
  const clock = new CalendarClock();
  const first = await running({ clock });
  const one = await first.client();
  await one.hello('gone');
  await one.ask(frame(1));
  await clock.pass(3 * DAY);
  one.end();
  await until(async () => (await first.daemon.getMetrics()).connections === 0);
  await clock.pass(6 * DAY);
  const visitor = await first.client();
  expect(await visitor.hello('gone')).toBe(1);
  visitor.end();
  await until(async () => (await first.daemon.getMetrics()).connections === 0);
  await clock.pass(10 * DAY);
  await first.daemon.stop();
  const store = new LevelEventStore(join(first.store, 'events'));
  expect([...(await store.marks()).keys()]).toEqual([]);
  await store.close();
});

test('what is written of clients that are only there is little: eight times in the time that they are remembered', async () => {
  const clock = new CalendarClock();
  const { client, daemon, store } = await running({ clock });
  const one = await client();
  await one.hello('quiet');
  await one.ask(frame(1));
  await clock.pass(DAY / 2);
  expect(clock.waits).toBe(1);
  await daemon.stop();
  expect(clock.waits).toBe(0);
  const events = new LevelEventStore(join(store, 'events'));
  expect([...(await events.marks()).keys()]).toEqual(['client:quiet']);
  await events.close();
});
