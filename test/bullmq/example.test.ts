import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'examples/18-distributed/main.ts');

test('the example of a distributed application says the same in one process and in four', {
  timeout: 60_000,
}, async () => {
  const { REDIS_URL: _, ...env } = process.env;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], {
    cwd: root,
    env,
    timeout: 50_000,
    killSignal: 'SIGKILL',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe(/\n\/\* Output:\n(.*)\*\/\n$/s.exec(readFileSync(program, 'utf8'))?.[1]);
});
