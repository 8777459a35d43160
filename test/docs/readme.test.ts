import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Collector, CollectorQueue } from 'collector-queue';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Program, programsIn, snippetsIn } from './programs.ts';
import { namesIn, namesKnown, rowsUnder } from './tables.ts';

const root = resolve(import.meta.dirname, '../..');

/** Starting a program takes the most of it, and a busy machine some seconds more. */
const LIMIT = 60_000;

const guides = existsSync(join(root, 'docs'))
  ? readdirSync(join(root, 'docs')).filter((name) => /\.md$/.test(name))
  : [];
const documents = ['README.md', ...guides.map((name) => `docs/${name}`)];
const read = (name: string): string => (existsSync(join(root, name)) ? readFileSync(join(root, name), 'utf8') : '');
const programs = documents.flatMap((name) => programsIn(name, read(name)));

/** Inside the repository, so that the package's name leads to its sources and the strict settings apply. */
let scratch: string;
const fileOf = (program: Program): string => join(scratch, `${program.name.replace(/\W+/g, '-')}.ts`);

beforeAll(() => {
  mkdirSync(join(root, 'reports'), { recursive: true });
  scratch = mkdtempSync(join(root, 'reports', 'docs-'));
  for (const program of programs) writeFileSync(fileOf(program), program.code);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('the first snippet of the README is a whole program, with its output', () => {
  const first = snippetsIn(read('README.md'))[0];
  expect(first, 'README.md has no block of TypeScript').toBeDefined();
  const program = programs.find(({ name }) => name === `README.md:${first?.line}`);
  expect(program, 'it does not begin with an import of the package').toBeDefined();
  expect(program?.output, 'no block of text with its output follows').toBeDefined();
});

/** The pages of which each is about something that users want to do. */
const INTENTS = [
  'RETRIES',
  'DEADLINES',
  'SCHEDULES',
  'LOCKS',
  'FLOW-CONTROL',
  'SCHEMAS',
  'MIDDLEWARE',
  'OBSERVING',
  'OPENTELEMETRY',
  'RESULTS',
  'QUEUE-EVENTS',
  'EMITTERS',
  'EVENT-STORES',
  'WHAT-HAPPENS-WHEN',
  'SPOOL',
  'TESTING',
  'AUTOSCALING',
  'BATCHES',
  'REPEATS',
].map((name) => `docs/${name}.md`);

describe.each(INTENTS)('%s', (page) => {
  test('has programs, each with its output, and no other TypeScript', () => {
    const own = programs.filter(({ document }) => document === page);
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter(({ output }) => output === undefined).map(({ name }) => name)).toEqual([]);
    expect(snippetsIn(read(page)).map(({ line }) => line)).toEqual(own.map(({ line }) => line));
  });

  test('is linked from the README', () => {
    expect(read('README.md')).toContain(`](${page})`);
  });
});

describe('the tables of options in the README', () => {
  /** The names in the first column of the table with this head; those with a star after them. */
  function namesUnder(head: string): { all: string[]; starred: string[] } {
    const cells = rowsUnder('README.md', head).map(([names = '']) => names);
    const starred = cells.filter((cell) => cell.endsWith('*'));
    return { all: cells.flatMap(namesIn).sort(), starred: starred.flatMap(namesIn).sort() };
  }

  test('list those of a queue', () => {
    const known = namesKnown((unknown) => new CollectorQueue([new Collector('a', () => 1)], unknown));
    expect(namesUnder('option').all).toEqual(known);
  });

  test('list those of a collector, mark those that a send has too, and list those that only a send has', async () => {
    const { all, starred } = namesUnder('option of a collector');
    expect(all).toEqual(namesKnown((unknown) => new Collector('a', () => 1, unknown)));
    const alone = namesUnder('option of a send alone').all;
    await new CollectorQueue([new Collector('a', () => 1)]).run((publisher) => {
      expect([...starred, ...alone].sort()).toEqual(namesKnown((unknown) => publisher.publish(1, {}, unknown)));
    });
  });
});

describe('the links of the documents', () => {
  test.each(documents)('of %s lead to files that there are', (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((link) => link[1] as string);
    const missing = links.filter((link) => !existsSync(resolve(root, document, '..', link)));
    expect(missing).toEqual([]);
  });
});

describe.runIf(programs.length > 0)('the programs of the documents', () => {
  test(
    'compile under the strict settings of the repository',
    () => {
      expect(typeErrors(programs)).toEqual([]);
    },
    LIMIT,
  );

  test.each(programs.map((program) => [program.name, program] as const))(
    '%s runs and prints what it says',
    async (_name, program) => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', fileOf(program)], {
        cwd: root,
        timeout: LIMIT / 2,
      });
      expect(stderr).toBe('');
      if (program.output !== undefined) expect(stdout.trimEnd()).toBe(program.output);
    },
    LIMIT,
  );
});

/** What the compiler says, in terms of the documents: `README.md:17: …`. */
function typeErrors(programs: readonly Program[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const byFile = new Map(programs.map((program) => [fileOf(program), program]));
  const compiled = ts.createProgram([...byFile.keys()], options);
  return [...byFile].flatMap(([file, { document, line }]) => {
    const source = compiled.getSourceFile(file);
    const found = [...compiled.getSyntacticDiagnostics(source), ...compiled.getSemanticDiagnostics(source)];
    return found.map(({ start = 0, messageText }) => {
      const at = line + 1 + (source?.getLineAndCharacterOfPosition(start).line ?? 0);
      return `${document}:${at}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

describe('the search for programs', () => {
  const fence = '```';
  const block = (language: string, ...lines: string[]): string => [fence + language, ...lines, fence].join('\n');
  const program = ["import { Collector } from 'collector-queue';", 'console.log(typeof Collector);'];
  const found = (...parts: string[]) => programsIn('X.md', parts.join('\n'));

  test('finds what begins with imports, the package among them', () => {
    expect(found('# X', block('ts', ...program))).toEqual([
      { name: 'X.md:2', document: 'X.md', line: 2, code: program.join('\n'), output: undefined },
    ]);
    expect(found(block('ts', '// A comment', "import { join } from 'node:path';", ...program))).toHaveLength(1);
    expect(found(block('ts', 'import {', '  Collector,', "} from 'collector-queue';"))).toHaveLength(1);
  });

  test('leaves fragments, other imports and other languages alone', () => {
    expect(found(block('ts', 'queue.pause();', ...program))).toEqual([]);
    expect(found(block('ts', "import { join } from 'node:path';"))).toEqual([]);
    expect(found(block('js', ...program), block('', ...program))).toEqual([]);
  });

  test('takes the text under it for its output, under a line that says so or under nothing', () => {
    for (const between of [['Output:', ''], ['', '**Output**', ''], ['']]) {
      const [first] = found(block('ts', ...program), ...between, block('text', 'function', ''));
      expect(first?.output).toBe('function');
    }
    const [other] = found(block('ts', ...program), 'Install it like this:', block('', 'npm i'));
    expect(other?.output).toBeUndefined();
    const [shell] = found(block('ts', ...program), block('sh', 'npm i'));
    expect(shell?.output).toBeUndefined();
  });

  test('takes the arrows within it for its output', () => {
    const [first] = found(block('ts', ...program, 'a(); // → one', '// → two'));
    expect(first?.output).toBe('one\ntwo');
  });
});
