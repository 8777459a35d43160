import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { scratchFolder } from './scene.ts';

const scratch = scratchFolder();

/** A small disk that only this process and its children see, and that is gone with them. */
function onSmallDisk(folder: string, size: string, command: string): { status: number | null; output: string } {
  const all = `mount -t tmpfs -o size=${size} tmpfs "$0" && ${command}`;
  const done = spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', all, folder], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status: done.status, output: `${done.stdout}${done.stderr}${done.error ?? ''}` };
}

/** Runs a program on a disk of so many bytes, and gives what it prints. */
function outputOf(program: string, size: string, context: TestContext): string {
  const folder = join(scratch, program);
  mkdirSync(folder);
  const possible = onSmallDisk(folder, size, 'true');
  if (possible.status !== 0) {
    context.skip(`a disk of its own cannot be mounted here: ${possible.output.trim() || 'no unshare'}`);
  }
  const path = join(import.meta.dirname, program);
  const { status, output } = onSmallDisk(folder, size, `exec "${process.execPath}" --import tsx "${path}" "$0"`);
  expect({ status, output }).toMatchObject({ status: 0 });
  return output;
}

test('a full disk is a refusal: nothing is lost, reading goes on, and so does all once there is room', (context) => {
  expect(outputOf('full-disk-child.ts', '12m', context)).toMatch(/^kept \d+, again \d+\n$/);
});

test('a disk that the store itself has filled has room again once its events are delivered', (context) => {
  expect(outputOf('filled-disk-child.ts', '56m', context)).toMatch(/^accepted \d+, \d+; \d+ MiB free\n$/);
});
