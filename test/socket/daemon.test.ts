import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError, LifecycleError } from 'collector-queue';
import { LevelEventStore, StoreLockedError } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { ListenError, SpoolDaemon } from '../../src/socket/index.ts';
import { rejectionOf, thrownBy } from '../core/scene.ts';
import { made, numbers, plain, quiet, running } from './daemon-scene.ts';
import { LineClient } from './line-client.ts';
import { folder, ShiftedClock, some, until } from './scene.ts';

function frame(seq: number, events: readonly object[] = [{ n: seq }]): object {
  return { $: 'events', seq, events };
}

describe('what comes in goes out', () => {
  test('unchanged, and leaves the spool with a 2xx', async () => {
    const { client, collector, daemon } = await running();
    const events = [
      { e: 'pv', p: 'web', tv: 'x', stm: '1' },
      { e: 'se', number: 7, nested: { a: [1, null, true] }, empty: '', text: '€ü😀\u0000"\\' },
    ];
    expect(await (await client()).ask(events)).toEqual({ $: 'ack', count: 2 });
    await until(() => collector.taken.length === 2);
    expect(plain(collector.taken)).toEqual(plain(events));
    await until(async () => (await daemon.getMetrics()).stored === 0);
  });

  test('within a second, if there is nothing before it', async () => {
    const { client, collector } = await running({ forward: { flushInterval: 200 } });
    const one = await client();
    for (let n = 1; n <= 3; n++) {
      const begun = performance.now();
      await one.ask({ n });
      await until(() => collector.taken.length === n);
      expect((collector.times.at(-1) as number) - begun).toBeLessThan(1_000);
    }
  });

  test('oldest first, also after a restart', async () => {
    const first = await running({ forward: { concurrency: 1, batchSize: 10 } });
    first.collector.answer = () => 503;
    const one = await first.client();
    for (let n = 0; n < 50; n++) await one.ask({ n });
    await first.daemon.stop({ timeout: 0 });
    first.collector.answer = () => 200;
    const { client, collector } = await first.again();
    await (await client()).ask({ n: 50 });
    await until(() => collector.taken.length === 51);
    expect(numbers(collector.taken)).toEqual(some(51).map(({ n }) => n));
  });

  test('as soon as the collector is there again', async () => {
    const { client, collector, daemon } = await running();
    await collector.stop();
    const one = await client();
    expect(await one.ask(some(30))).toEqual({ $: 'ack', count: 30 });
    await sleep(100);
    expect(await daemon.getMetrics()).toMatchObject({ stored: 30, sent: 0 });
    expect((await daemon.getMetrics()).retried).toBeGreaterThan(0);
    await collector.start();
    await until(async () => (await daemon.getMetrics()).sent === 30);
    expect(numbers(collector.taken)).toEqual(some(30).map(({ n }) => n));
  });

  test('though the collector hangs for a while', async () => {
    const { client, collector } = await running({ forward: { requestTimeout: 50 } });
    collector.answer = () => (collector.batches.length < 3 ? 'hang' : 200);
    await (await client()).ask({ n: 1 });
    await until(() => collector.taken.length === 1);
  });

  test('in halves, if it is too much at once', async () => {
    const { client, collector } = await running();
    collector.answer = (events) => (events.length > 3 ? 413 : 200);
    await (await client()).ask(some(20));
    await until(() => collector.taken.length === 20);
    expect(new Set(numbers(collector.taken)).size).toBe(20);
  });
});

describe('an event that nothing can be made of', () => {
  test.each([
    ['nested too deeply', `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
    ['with a number that is too large', '{"a":1e999}'],
  ])('%s is refused for good, and harms nobody', async (_, text) => {
    const { client } = await running();
    const one = await client();
    expect(await one.ask(`${text}\n`)).toMatchObject({ code: 'bad_frame', retryable: false });
    await one.hello('a');
    expect(await one.ask(`{"$":"events","seq":1,"events":[${text}]}\n`)).toMatchObject({ code: 'bad_frame', seq: 1 });
    expect(await one.ask(frame(1))).toEqual({ $: 'ack', seq: 1 });
  });
});

describe('the number of a client', () => {
  test('is known after a restart: nothing is kept twice', async () => {
    const first = await running();
    const one = await first.client();
    await one.hello('a');
    for (let seq = 1; seq <= 5; seq++) expect(await one.ask(frame(seq))).toEqual({ $: 'ack', seq });
    await first.daemon.stop();
    const { client, collector, daemon } = await first.again();
    const again = await client();
    expect(await again.hello('a')).toBe(5);
    expect(await again.ask(frame(4))).toEqual({ $: 'ack', seq: 5 });
    expect(await again.ask(frame(6))).toEqual({ $: 'ack', seq: 6 });
    await daemon.stop();
    expect(numbers(collector.taken)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('is known after its events have been sent and are gone', async () => {
    const first = await running();
    const one = await first.client();
    await one.hello('a');
    await one.ask(frame(1));
    await until(async () => (await first.daemon.getMetrics()).stored === 0);
    await first.daemon.stop();
    expect(await (await (await first.again()).client()).hello('a')).toBe(1);
  });

  test('is forgotten at the start if nothing was heard for too long, and only then', async () => {
    const clock = new ShiftedClock();
    const first = await running({ clock, clientTtl: 60_000 });
    const [old, young] = [await first.client(), await first.client()];
    await old.hello('old');
    await old.ask(frame(1));
    clock.shift += 40_000;
    await young.hello('young');
    await young.ask(frame(1));
    await first.daemon.stop();
    clock.shift += 30_000;
    const second = await first.again();
    expect(await (await second.client()).hello('old')).toBe(0);
    expect(await (await second.client()).hello('young')).toBe(1);
    await second.daemon.stop();
    const store = new LevelEventStore(join(first.store, 'events'));
    expect([...(await store.marks()).keys()]).toEqual(['client:young']);
    await store.close();
  });

  test('is forgotten while the daemon runs, too, but not as long as the client is connected', async () => {
    const { client, daemon, store } = await running({ clientTtl: 200 });
    const [gone, here] = [await client(), await client()];
    for (const [name, one] of Object.entries({ gone, here })) {
      await one.hello(name);
      await one.ask(frame(1));
    }
    gone.end();
    await sleep(700);
    expect(await (await client()).hello('gone')).toBe(0);
    expect(await here.ask(frame(2))).toEqual({ $: 'ack', seq: 2 });
    await daemon.stop();
    const events = new LevelEventStore(join(store, 'events'));
    expect([...(await events.marks()).keys()].filter((name) => name.endsWith('gone'))).toEqual([]);
    expect((await events.marks()).has('client:here')).toBe(true);
    await events.close();
  });
});

describe('a spool that is full', () => {
  test('refuses with a code, and takes again once there is room', async () => {
    const { client, collector, daemon } = await running({ capacity: 3 });
    collector.answer = () => 503;
    const one = await client();
    await one.hello('a');
    for (let seq = 1; seq <= 3; seq++) await one.ask(frame(seq));
    expect(await one.ask(frame(4))).toMatchObject({ code: 'full', retryable: true, seq: 4 });
    expect(await one.ask({ n: 9 })).toMatchObject({ code: 'full', retryable: true });
    expect(await daemon.getMetrics()).toMatchObject({
      received: 5,
      acknowledged: 3,
      refused: 2,
      dropped: 0,
      stored: 3,
    });
    collector.answer = () => 200;
    await until(async () => (await daemon.getMetrics()).stored === 0);
    expect(await one.ask(frame(4))).toEqual({ $: 'ack', seq: 4 });
  });

  test('refuses by bytes, too', async () => {
    const { client, collector } = await running({ maxBytes: 100 });
    collector.answer = () => 503;
    const one = await client();
    expect(await one.ask({ text: 'x'.repeat(60) })).toEqual({ $: 'ack', count: 1 });
    expect(await one.ask({ text: 'x'.repeat(60) })).toMatchObject({ code: 'full', retryable: true });
    expect(await one.ask({ text: 'x'.repeat(200) })).toMatchObject({ code: 'full', retryable: false });
  });

  test('counts what came together, and was taken in part, once each', async () => {
    const { client, collector, daemon } = await running({ capacity: 3 });
    collector.answer = () => 503;
    const one = await client();
    one.send(
      some(10)
        .map((event) => `${JSON.stringify(event)}\n`)
        .join(''),
    );
    const replies = await one.take(10);
    expect(replies.filter((reply) => reply?.$ === 'ack')).toHaveLength(3);
    expect(await daemon.getMetrics()).toMatchObject({ received: 10, acknowledged: 3, refused: 7, dropped: 0 });
  });

  test('throws out the oldest, if told so, and counts each', async () => {
    // What is under way cannot be thrown out: it is one event here.
    const forward = { batchSize: 1, concurrency: 1 };
    const { client, collector, daemon } = await running({ capacity: 3, overflow: 'dropOldest', forward });
    await collector.stop();
    const one = await client();
    for (let n = 0; n < 10; n++) expect(await one.ask({ n })).toEqual({ $: 'ack', count: 1 });
    const { dropped, refused, stored } = await daemon.getMetrics();
    expect([dropped, refused, stored]).toEqual([7, 0, 3]);
  });
});

describe('another destination', () => {
  test('takes what is left, and all that comes', async () => {
    const { client, collector, daemon } = await running();
    const { collector: other } = await running();
    collector.answer = () => 503;
    const one = await client();
    await one.ask(some(5));
    await daemon.reconfigure(other.url, { flushInterval: 10, headers: { 'x-key': 'secret' } });
    await one.ask(some(5, 5));
    await until(() => other.taken.length === 10);
    expect(other.headers.at(-1)).toMatchObject({ 'x-key': 'secret' });
    await until(async () => (await daemon.getMetrics()).stored === 0);
    expect(await daemon.getMetrics()).toMatchObject({ sent: 10, received: 10 });
    expect(collector.taken).toEqual([]);
  });

  test('that is wrong, or wrong options for it, leave all as it was', async () => {
    const { client, collector, daemon } = await running();
    for (const [endpoint, forward] of [
      ['', {}],
      [collector.url, { batchSize: 0 }],
      [collector.url, { batchsize: 1 } as object],
    ] as const) {
      expect(await rejectionOf(daemon.reconfigure(endpoint, forward))).toBeInstanceOf(InvalidArgumentError);
    }
    await (await client()).ask({ n: 1 });
    await until(() => collector.taken.length === 1);
  });

  test('is the last that was asked for, however quickly one follows another', async () => {
    const { client, collector, daemon } = await running();
    const others = [await running(), await running()].map((other) => other.collector);
    const one = await client();
    await Promise.all(others.map(({ url }) => daemon.reconfigure(url, { flushInterval: 10, batchSize: 1 })));
    for (let n = 0; n < 20; n++) await one.ask({ n });
    await until(() => others.reduce((sum, { taken }) => sum + taken.length, collector.taken.length) === 20);
    expect([collector.taken.length, ...others.map(({ taken }) => taken.length)]).toEqual([0, 0, 20]);
  });

  test('forgets the options that it is not given again', async () => {
    const { client, collector, daemon } = await running({ forward: { headers: { 'x-key': 'old' } } });
    await daemon.reconfigure(collector.url, { flushInterval: 10 });
    await (await client()).ask({ n: 1 });
    await until(() => collector.taken.length === 1);
    expect(collector.headers[0]).not.toHaveProperty('x-key');
  });
});

describe('the stop', () => {
  test('answers what came, sends what it can, and says what is left', async () => {
    const { client, collector, daemon } = await running({ forward: { flushInterval: 60_000 } });
    const one = await client();
    one.send(...some(200));
    await until(() => one.replies.length > 0);
    const report = await daemon.stop({ timeout: 5_000 });
    expect(report).toEqual({ remaining: 0 });
    const replies = await one.rest();
    expect(replies.at(-1)).toMatchObject({ code: 'closing' });
    const acked = one.replies.filter(({ $ }) => $ === 'ack').length;
    expect(collector.taken).toHaveLength(acked);
  });

  test('keeps what it cannot send', async () => {
    const first = await running();
    await first.collector.stop();
    await (await first.client()).ask(some(7));
    const begun = performance.now();
    expect(await first.daemon.stop({ timeout: 300 })).toEqual({ remaining: 7 });
    expect(performance.now() - begun).toBeLessThan(2_000);
    await first.collector.start();
    const { collector } = await first.again();
    await until(() => collector.taken.length === 7);
  });

  test('ends in time, though the collector hangs', async () => {
    const { client, collector, daemon } = await running();
    collector.answer = () => 'hang';
    await (await client()).ask(some(3));
    const begun = performance.now();
    expect(await daemon.stop({ timeout: 200 })).toEqual({ remaining: 3 });
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test('may be asked for twice, before the start, and again', async () => {
    const { daemon } = await running();
    const [one, two] = [daemon.stop(), daemon.stop({ timeout: 0 })];
    expect(await one).toBe(await two);
    const never = new SpoolDaemon({ store: join(folder(), 's'), listen: ['tcp:127.0.0.1:0'], endpoint: 'x.example' });
    expect(await never.stop()).toEqual({ remaining: 0 });
  });

  test('ends a change of the destination with it', async () => {
    const { client, collector, daemon } = await running();
    collector.answer = () => 503;
    await (await client()).ask(some(3));
    const [changed] = await Promise.allSettled([daemon.reconfigure(collector.url), daemon.stop({ timeout: 0 })]);
    expect(changed.status).toBe('fulfilled');
    await expect(daemon.reconfigure(collector.url)).rejects.toThrow('stop');
    const before = collector.batches.length;
    await sleep(100);
    expect(collector.batches.length).toBe(before);
  });
});

describe('a start that fails', () => {
  test('on a spool that is open elsewhere says so, and the other goes on', async () => {
    const { client, store, socket } = await running();
    const second = made({ store, listen: [`unix:${socket}2`] });
    const error = (await rejectionOf(second.start())) as LifecycleError;
    expect(error).toBeInstanceOf(LifecycleError);
    expect(error.errors[0]).toBeInstanceOf(StoreLockedError);
    expect(await (await client()).ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
    expect(await rejectionOf(LineClient.connected({ path: `${socket}2` }))).toMatchObject({ code: 'ENOENT' });
  });

  test('on a socket where somebody answers says so, and lets go of its spool', async () => {
    const { client, socket } = await running();
    const store = join(folder(), 'spool');
    const second = made({ store, listen: ['tcp:127.0.0.1:0', `unix:${socket}`] });
    expect(await rejectionOf(second.start())).toBeInstanceOf(ListenError);
    expect(second.addresses).toEqual([]);
    const events = new LevelEventStore(join(store, 'events'));
    await events.open();
    await events.close();
    expect(await (await client()).ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  });

  test('because the dead letters cannot be opened lets go of the events', async () => {
    const store = join(folder(), 'spool');
    mkdirSync(store);
    writeFileSync(join(store, 'dead-letters'), 'a file');
    const daemon = made({ store, listen: ['tcp:127.0.0.1:0'] });
    expect(await rejectionOf(daemon.start())).toBeInstanceOf(LifecycleError);
    const events = new LevelEventStore(join(store, 'events'));
    await events.open();
    await events.add({ n: 1 });
    await sleep(400);
    expect(events.size).toBe(1);
    await events.close();
  });

  test('leaves nothing that goes on by itself', async () => {
    const { store } = await running();
    const logged: string[] = [];
    const log = (_: object, message: string): unknown => logged.push(message);
    const second = made({ store, listen: ['tcp:127.0.0.1:0'], logger: { ...quiet, warn: log, error: log } });
    await rejectionOf(second.start());
    logged.length = 0;
    await sleep(400);
    expect(logged).toEqual([]);
  });
});

describe('an option that is wrong', () => {
  const right = { store: '/tmp/x', endpoint: 'x.example', listen: ['tcp:127.0.0.1:0'] };

  test.each([
    [{ store: '' }, /SpoolDaemon: store/],
    [{ endpoint: '' }, /SpoolDaemon: endpoint/],
    [{ listen: [] }, /SpoolDaemon: listen .* an empty array/],
    [{ listen: 'tcp:127.0.0.1:0' }, /SpoolDaemon: listen/],
    [{ listen: ['127.0.0.1:0'] }, /SpoolDaemon: listen\[0\] .*unix:.*tcp:/],
    [{ listen: ['tcp:127.0.0.1:65536'] }, /listen\[0\]/],
    [{ listen: [`unix:/${'x'.repeat(107)}`] }, /at most 107 bytes/],
    [{ listen: ['unix:'] }, /listen\[0\]/],
    [{ socketMode: 0o1000 }, /socketMode/],
    [{ socketGroup: -1 }, /socketGroup/],
    [{ token: '' }, /token/],
    [{ certificate: { key: 'x' } as never }, /certificate\.cert/],
    [{ capacity: 0 }, /capacity/],
    [{ maxBytes: 1.5 }, /maxBytes/],
    [{ overflow: 'dropAll' as never }, /overflow/],
    [{ maxFrame: 63 }, /maxFrame/],
    [{ maxConnections: 0 }, /maxConnections/],
    [{ maxConnections: 2 ** 30 }, /maxConnections .*ulimit -n/],
    [{ frameTimeout: 0 }, /frameTimeout/],
    [{ idleTimeout: 2 ** 31 }, /idleTimeout/],
    [{ clientTtl: 0 }, /clientTtl/],
    [{ forward: { batchSize: 0 } }, /batchSize/],
    [{ forward: { codec: 1 } as never }, /codec/],
    [{ logger: {} as never }, /logger/],
    [{ clock: {} as never }, /clock/],
    [{ shop: 1 } as never, /shop/],
  ] as [object, RegExp][])('%j is named, with what it should be', (options, message) => {
    const thrown = thrownBy(() => new SpoolDaemon({ ...right, ...options }));
    expect(thrown).toBeInstanceOf(InvalidArgumentError);
    expect((thrown as Error).message).toMatch(message);
  });
});
