import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCampaign } from './crash/run.ts';
import { folder } from './scene.ts';

const LONG = { timeout: 600_000 };

test('whoever is killed, thirty times over, what was acknowledged is delivered', LONG, async () => {
  const seed = Date.now() % 1_000_000;
  const { acked, lost, foreign, forgotten } = await runCampaign({ kills: 30, events: 20_000, seed });
  expect({ lost, foreign, forgotten, seed }).toEqual({ lost: 0, foreign: 0, forgotten: 0, seed });
  expect(acked).toBeGreaterThanOrEqual(20_000);
});

test(
  'killed while its disk is full, the daemon loses nothing, and takes events again once there is room',
  LONG,
  (context) => {
    const disk = join(folder(), 'disk');
    mkdirSync(disk);
    const onSmallDisk = (command: string) => {
      const script = `mount -t tmpfs -o size=64m tmpfs "$0" && ${command}`;
      return spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', script, disk], {
        encoding: 'utf8',
      });
    };
    if (onSmallDisk('true').status !== 0) context.skip('a disk of its own cannot be mounted here');
    const campaign = join(import.meta.dirname, 'crash', 'campaign.ts');
    // Two reserves of 12 MiB beside it leave room for some ten thousand events.
    const flags = '--kills 10 --events 45000 --collector away --store "$0/spool" --ballast 39000000';
    const { status, stdout, stderr } = onSmallDisk(`exec "${process.execPath}" --import tsx "${campaign}" ${flags}`);
    expect({ status, stdout, stderr }).toMatchObject({ status: 0, stderr: '' });
    expect(stdout).toMatch(/refused by the daemon: .*disk \d+/);
    expect(stdout).toMatch(/acked \d+ \/ lost 0 \/ duplicated 0 \/ foreign 0 \/ forgotten 0\n$/);
  },
);
