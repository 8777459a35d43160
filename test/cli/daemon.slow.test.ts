import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LineClient } from '../socket/line-client.ts';
import { folder, until } from '../socket/scene.ts';
import { cli, daemon } from './child.ts';
import { places } from './places.ts';

const LONG = { timeout: 30_000 };

test('a second SIGTERM ends it at once, whatever is under way', LONG, async () => {
  const { collector, socket, args } = await places();
  collector.answer = () => 'hang';
  const child = await daemon([...args, '--shutdown-timeout', '60000']);
  const client = await LineClient.connected({ path: socket });
  await client.ask({ n: 1 });
  await until(() => collector.batches.length === 1);
  child.process.kill('SIGTERM');
  await child.wrote('"message":"stopping"');
  const begun = performance.now();
  expect(await child.kill('SIGINT')).toBe(1);
  expect(performance.now() - begun).toBeLessThan(1_000);
});

test('a start that fails says why in one line, and the process ends by itself', LONG, async () => {
  const { args, socket, collector } = await places();
  await daemon(args);
  const elsewhere = ['--store', join(folder(), 's'), '--endpoint', collector.url];
  const runs = await Promise.all([
    cli(['daemon', ...args]),
    cli(['daemon', ...elsewhere, '--listen', `unix:${socket}`]),
    cli(['daemon', ...elsewhere, '--listen', 'tcp:0.0.0.0:0', '--store', join(folder(), 't')]),
  ]);
  const messages = [/is open already, here or in another process/, /somebody listens at/, /that needs a token/];
  for (const [at, { code, stdout, stderr }] of runs.entries()) {
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^collector-queue: [^\n]*\n$/);
    expect(stderr).toMatch(messages[at] as RegExp);
  }
  const client = await LineClient.connected({ path: socket });
  expect(await client.ask({ n: 1 })).toEqual({ $: 'ack', count: 1 });
  client.end();
});
