import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const program = resolve(root, 'examples/22-testing/main.ts');

/** Starting a program takes the most of it, and a busy machine some seconds more. */
const LIMIT = 60_000;

test(
  'the example of tests prints what it says',
  async () => {
    const output = /\n\/\* Output:\n(.*)\*\/\n$/s.exec(readFileSync(program, 'utf8'))?.[1];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], {
      cwd: root,
      timeout: LIMIT,
    });
    expect(stdout).toBe(output);
    expect(stderr).toBe('');
  },
  LIMIT,
);
