import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/TESTING.md'), 'utf8');

/** Starting a test runner takes the most of it, and a busy machine a lot more. */
const LIMIT = 120_000;

/** The test files of the page, by the runner that their imports name. */
function programOf(runner: 'node:test' | 'vitest'): string {
  const blocks = [...page.matchAll(/^```typescript\n(.*?)^```$/gms)].map((block) => block[1] as string);
  const own = blocks.filter((block) => block.includes(`from '${runner}';`));
  expect(own).toHaveLength(1);
  return own[0] as string;
}

/** What the compiler says of a file, under the strict settings of the repository. */
function typeErrors(file: string): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const compiled = ts.createProgram([file], options);
  const source = compiled.getSourceFile(file);
  const found = [...compiled.getSyntacticDiagnostics(source), ...compiled.getSemanticDiagnostics(source)];
  return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

let scratch: string;
beforeAll(() => {
  mkdirSync(join(root, 'reports'), { recursive: true });
  scratch = mkdtempSync(join(root, 'reports', 'testing-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Outcome {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs a test file, away from the environment of the runner that runs this one. */
function run(name: string, code: string, command: (file: string) => string[]): Promise<Outcome> {
  const file = join(scratch, name);
  writeFileSync(file, code);
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, NO_COLOR: '1' };
  return new Promise((done) => {
    execFile(process.execPath, command(file), { cwd: root, env, timeout: LIMIT - 10_000 }, (error, stdout, stderr) => {
      done({ exitCode: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}

const RUNNERS = {
  'node:test': (file: string) => ['--import', 'tsx', '--test', file],
  vitest: (file: string) => {
    const config = join(scratch, 'vitest.config.mjs');
    const alias = [
      { find: '^collector-queue$', replacement: join(root, 'src/index.ts') },
      { find: '^collector-queue/(.+)$', replacement: join(root, 'src/$1/index.ts') },
    ];
    writeFileSync(
      config,
      `const alias = ${JSON.stringify(alias)}.map(({ find, replacement }) => ({ find: new RegExp(find), replacement }));
       export default { resolve: { alias }, test: { include: ['*.test.ts'] } };`,
    );
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    return [vitest, 'run', '--root', scratch, '--config', config, file];
  },
} as const;

describe.each(['node:test', 'vitest'] as const)('the program for %s', (runner) => {
  const name = runner.replace(':', '-');

  test(
    'compiles under the strict settings of the repository',
    () => {
      const file = join(scratch, `typed-${name}.ts`);
      writeFileSync(file, programOf(runner));
      expect(typeErrors(file)).toEqual([]);
    },
    LIMIT,
  );

  test(
    'passes, with both of its tests',
    async () => {
      const { exitCode, output } = await run(`${name}.test.ts`, programOf(runner), RUNNERS[runner]);
      expect(output).toMatch(runner === 'vitest' ? /Tests +2 passed \(2\)/ : /^. pass 2$/m);
      expect(exitCode).toBe(0);
    },
    LIMIT,
  );

  test(
    'fails where its service does something else, and says what',
    async () => {
      const wrong = programOf(runner)
        .replace('{ delay: DAY }', '{ delay: 2 * DAY }')
        .replace('attempts: 3,', 'attempts: 2,');
      const { exitCode, output } = await run(`wrong-${name}.test.ts`, wrong, RUNNERS[runner]);
      expect(output).toContain(
        runner === 'vitest' ? 'to have a length of 3 but got 2' : 'collector "remind" was sent nothing like { id: 8 }',
      );
      expect(exitCode).toBe(1);
    },
    LIMIT,
  );
});
