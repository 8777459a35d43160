import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CollectorDouble } from '../socket/collector-double.ts';
import { numbers, plain } from '../socket/daemon-scene.ts';
import { LineClient } from '../socket/line-client.ts';
import { folder, some, until } from '../socket/scene.ts';
import { daemon } from './child.ts';
import { places } from './places.ts';

const LONG = { timeout: 30_000 };

test('what was acknowledged is there after kill -9, and is delivered by the next daemon', LONG, async () => {
  const { collector, socket, args } = await places();
  collector.answer = () => 503;
  const first = await daemon(args);
  const client = await LineClient.connected({ path: socket });
  await client.hello('a');
  client.send({ $: 'events', seq: 1, events: some(10) }, { $: 'events', seq: 2, events: some(10, 10) });
  await until(() => client.replies.some((reply) => reply.seq === 2));
  expect(await first.kill('SIGKILL')).toBe('SIGKILL');
  collector.answer = () => 200;
  await daemon(args);
  const again = await LineClient.connected({ path: socket });
  expect(await again.hello('a')).toBe(2);
  expect(await again.ask({ $: 'events', seq: 2, events: some(10, 10) })).toEqual({ $: 'ack', seq: 2 });
  await until(() => collector.taken.length >= 20);
  await sleep(50);
  expect(numbers(collector.taken)).toEqual(some(20).map(({ n }) => n));
  again.end();
});

test('SIGTERM answers what came, says what remains, and ends with 0; health tells of it', LONG, async () => {
  const { collector, socket, args } = await places();
  const child = await daemon([...args, '--health-port', '0', '--shutdown-timeout', '600']);
  const port = child.log.find(({ message }) => message === 'health and metrics')?.port as number;
  const ask = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
  const client = await LineClient.connected({ path: socket });
  await client.ask({ n: 'sent' });
  await until(() => collector.taken.length === 1);
  await until(async () => ((await (await ask('/health')).json()) as { stored: number }).stored === 0);
  expect(await (await ask('/health')).json()).toMatchObject({ status: 'ok', received: 1, acknowledged: 1, sent: 1 });
  expect(await (await ask('/metrics')).text()).toMatch(/^collector_queue_spool_sent_events_total 1$/m);
  collector.answer = () => 503;
  await client.ask(some(3));
  child.process.kill('SIGTERM');
  await child.wrote('"message":"stopping"');
  expect((await ask('/health')).status).toBe(503);
  expect(await client.rest()).toMatchObject([{ code: 'closing' }]);
  expect(await child.ended).toBe(0);
  expect(child.stdout).toBe('');
  expect(child.log.at(-1)).toMatchObject({
    level: 'info',
    message: 'stopped; the rest is safely stored',
    remaining: 3,
  });
  for (const { time, level, message } of child.log) {
    expect([typeof time, typeof message]).toEqual(['string', 'string']);
    expect(['info', 'warn', 'error']).toContain(level);
  }
});

test('SIGHUP reads the configuration again, and a bad one changes nothing', LONG, async () => {
  const { collector, socket, store } = await places();
  const other = await CollectorDouble.started();
  const config = join(folder(), 'daemon.json');
  const settings = { store, endpoint: collector.url, listen: [`unix:${socket}`], maxRetryDelay: 50 };
  writeFileSync(config, JSON.stringify(settings));
  const child = await daemon(['--config', config]);
  const client = await LineClient.connected({ path: socket });
  await client.ask({ n: 1 });
  await until(() => collector.taken.length === 1);

  for (const bad of ['{', JSON.stringify({ ...settings, shop: 1 }), JSON.stringify({ ...settings, batchSize: 0 })]) {
    writeFileSync(config, bad);
    const refusals = (): number => child.log.filter(({ message }) => message.includes('was not taken')).length;
    const before = refusals();
    child.process.kill('SIGHUP');
    await until(() => refusals() > before);
  }
  await client.ask({ n: 2 });
  await until(() => collector.taken.length === 2);

  writeFileSync(config, JSON.stringify({ ...settings, endpoint: other.url, headers: { 'x-key': 'new' } }));
  child.process.kill('SIGHUP');
  await child.wrote('read the configuration again');
  await client.ask({ n: 3 });
  await until(() => other.taken.length === 1);
  expect(plain(other.taken)).toEqual([{ n: 3 }]);
  expect(other.headers[0]).toMatchObject({ 'x-key': 'new' });
  expect(collector.taken).toHaveLength(2);
  expect(client.isClosed).toBe(false);
  child.process.kill('SIGTERM');
  child.process.kill('SIGHUP');
  expect(await child.ended).toBe(0);
});
