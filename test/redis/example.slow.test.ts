import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const EXAMPLE = join(import.meta.dirname, '../../examples/19-redis-emitter/main.ts');

test('the example prints what it says, and ends by itself', { timeout: 60_000 }, async () => {
  const said = /\n\/\* Output:\n(.*)\*\/\n$/s.exec(readFileSync(EXAMPLE, 'utf8'))?.[1];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', EXAMPLE], {
    timeout: 60_000,
  });
  expect(stdout).toBe(said);
  expect(stderr).toBe('');
});
