import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CollectorDouble, type Sent } from '../socket/collector-double.ts';
import { numbers } from '../socket/daemon-scene.ts';
import { LineClient } from '../socket/line-client.ts';
import { folder, until } from '../socket/scene.ts';

const MOUNT = 'mount -t tmpfs -o size=18m tmpfs "$0" && head -c 6291456 /dev/zero > "$0/ballast"';
const UNSHARE = ['--user', '--map-root-user', '--mount', 'sh', '-c'];
const ENTRY = join(import.meta.dirname, '..', '..', 'src', 'cli', 'index.ts');

test('on a full disk the daemon refuses, goes on sending, and takes again once there is room', {
  timeout: 60_000,
}, async (context) => {
  const place = folder();
  const disk = join(place, 'disk');
  mkdirSync(disk);
  const possible = spawnSync('unshare', [...UNSHARE, MOUNT, disk], { encoding: 'utf8' });
  if (possible.status !== 0) context.skip('a disk of its own cannot be mounted here');
  const collector = await CollectorDouble.started();
  collector.answer = () => 503;
  const socket = join(place, 'd.sock');
  const command = [
    `${MOUNT} && exec "${process.execPath}" --import tsx "${ENTRY}" daemon --store "$0/spool" --listen "unix:${socket}"`,
    `--endpoint ${collector.url} --max-retry-delay 100 --health-port 0`,
  ].join(' ');
  const child = spawn('unshare', [...UNSHARE, command, disk], { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until(() => said.includes('listening at'));
  const port = /"health and metrics","port":(\d+)/.exec(said)?.[1];
  const client = await LineClient.connected({ path: socket });
  await client.hello('a');

  let acked = 0;
  const send = async (seq: number) => {
    // Cannot be compressed.
    const text = randomBytes(150_000).toString('base64');
    const reply = await client.ask({ $: 'events', seq, events: [{ n: seq, text }] });
    if (reply?.$ === 'ack') acked = reply.seq as number;
    return reply;
  };
  for (let seq = 1; seq <= 500; seq = acked + 1) {
    const reply = await send(seq);
    if (reply?.$ === 'ack') continue;
    expect(reply).toMatchObject({ code: 'disk', retryable: true, seq });
    break;
  }
  expect(acked).toBeGreaterThan(5);
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  const full = acked;
  collector.answer = () => 200;
  await until(() => new Set(numbers(collector.taken)).size === full);
  // Somebody makes room: LevelDB needs some before it can give any back.
  rmSync(`/proc/${child.pid}/root${disk}/ballast`);
  await until(async () => (await send(acked + 1))?.$ === 'ack');
  await until(() => new Set(numbers(collector.taken)).size === acked);
  const taken = new Map(collector.taken.map((event: Sent) => [event.n, event]));
  expect([...taken.keys()].sort((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: acked }, (_, n) => n + 1),
  );
  child.kill('SIGTERM');
});
