import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const directory = join(root, 'examples');
const examples = readdirSync(directory).filter((name) => /^\d\d-.*\.ts$/.test(name));

/** They run until they are told to end, and have tests of their own. */
const SERVICES = ['08-http-service.ts', '16-durable-ingestion.ts'];

/** Starting a program takes the most of it, and a busy machine some seconds more. */
const LIMIT = 60_000;

/** What the example says it prints: the comment at its end. */
function expectedOutput(name: string): string {
  const output = /\n\/\* Output:\n(.*)\*\/\n$/s.exec(readFileSync(join(directory, name), 'utf8'))?.[1];
  if (output === undefined) throw new Error(`${name} does not end with its output as a comment`);
  return output;
}

describe('the examples', () => {
  test.each(examples.filter((name) => !SERVICES.includes(name)))(
    '%s prints what it says',
    async (name) => {
      const program = ['--import', 'tsx', join(directory, name)];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, program, { cwd: root, timeout: LIMIT });
      expect(stdout).toBe(expectedOutput(name));
      expect(stderr).toBe('');
    },
    LIMIT,
  );

  test.each(examples)('%s begins by saying what it shows, and uses the package by its name', (name) => {
    const text = readFileSync(join(directory, name), 'utf8');
    expect(text).toMatch(/^\/\*\*\n \* \S/);
    expect(text).toMatch(/^import .* from 'collector-queue(\/\w+)?';$/m);
    expect(text).not.toMatch(/from '\.\.?\//);
  });

  test('are numbered without a gap, and listed in their README in this order', () => {
    // One with files of its own is in a folder, and is listed by its main file.
    const all = readdirSync(directory).filter((name) => /^\d\d-/.test(name));
    expect(all.map((name) => Number(name.slice(0, 2)))).toEqual(all.map((_, at) => at + 1));
    const readme = readFileSync(join(directory, 'README.md'), 'utf8');
    const listed = all.map((name) => (name.endsWith('.ts') ? name : `${name}/main.ts`));
    expect([...readme.matchAll(/\]\((\d\d-[^)]+)\)/g)].map((link) => link[1])).toEqual(listed);
  });
});
