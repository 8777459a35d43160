import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'examples/17-spool/main.ts');

/** It starts six processes and more, each of which takes a second or some more. */
const LIMIT = 60_000;

test(
  'the cluster of the examples loses no acknowledged event, whoever of it is killed, and counts the others',
  async () => {
    const args = ['--import', 'tsx', program, '--seconds', '3', '--kill-every', '400'];
    // A hanging child must not outlive the test, nor its children: they end with the channel to it.
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      cwd: root,
      timeout: LIMIT - 10_000,
      killSignal: 'SIGKILL',
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^4 workers, [1-9]\d* of them killed and replaced\n/);
    const figure = (words: string): number => Number(new RegExp(`^${words} +(\\d+)`, 'm').exec(stdout)?.[1]);
    expect(figure('lost')).toBe(0);
    expect(stdout).toContain(', 0 that nobody issued\n');
    expect(figure('acknowledged')).toBeGreaterThan(100);
    expect(figure('delivered')).toBeGreaterThanOrEqual(figure('acknowledged'));
    expect(figure('not acknowledged')).toBe(figure('issued') - figure('acknowledged'));
  },
  LIMIT,
);
