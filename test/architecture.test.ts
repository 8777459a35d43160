import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** What a room may import: other rooms at run time and for their types, and packages. */
interface RoomRules {
  readonly rooms: readonly string[];
  readonly types?: readonly string[];
  readonly packages: readonly string[];
}

/** The rooms that make up the core package. Nothing here needs an optional package. */
const CORE_ROOMS: Readonly<Record<string, RoomRules>> = {
  core: { rooms: ['pool', 'policies', 'queue-events', 'schedule'], packages: ['neverthrow', '@standard-schema/spec'] },
  pool: { rooms: ['schedule'], packages: ['fastpriorityqueue'] },
  policies: { rooms: ['schedule'], types: ['core'], packages: ['neverthrow'] },
  'queue-events': { rooms: [], types: ['core'], packages: ['eventemitter3'] },
  schedule: { rooms: [], types: ['core'], packages: ['croner'] },
};

/** An add-on may use these rooms, the door of the package, and the doors of other add-ons. */
const ADD_ON_ROOMS = ['core', 'policies', 'queue-events', 'schedule'];

const ADD_ONS: Readonly<Record<string, readonly string[]>> = {
  emitter: ['p-queue'],
  store: ['classic-level', 'p-queue'],
  http: ['p-queue'],
  socket: ['p-queue'],
  redis: ['ioredis', 'redis', 'bullmq', 'p-queue'],
  bullmq: ['bullmq', 'ioredis'],
  opentelemetry: ['@opentelemetry/api'],
  testing: [],
  cli: [],
};

/** Packages that one file wraps, so that their pitfalls are met in one place. */
const WRAPPED: Readonly<Record<string, string>> = {
  eventemitter3: 'queue-events/queue-events.ts',
  fastpriorityqueue: 'pool/priority-buffer.ts',
};

const MOST_LINES = 350;
const USUAL_LINES = 200;

interface Import {
  readonly specifier: string;
  /** Erased by the compiler. A list of `type` names alone is not: the module is still loaded. */
  readonly typeOnly: boolean;
}

interface Module {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly exportsAll: boolean;
}

/** Source files by path within src/, with forward slashes. */
type Sources = ReadonlyMap<string, string>;

function parse(path: string, text: string): Module {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: Import[] = [];
  let exportsAll = false;
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) {
      imports.push({ specifier: specifier.text, typeOnly });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly);
      if (node.exportClause === undefined) exportsAll = true;
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true);
    } else if (ts.isCallExpression(node) && isModuleCall(node.expression)) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { path, text, imports, exportsAll };
}

function isModuleCall(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
}

/** The file that a relative import leads to, within src/; undefined for a package. */
function target(from: string, { specifier }: Import): string | undefined {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)).replaceAll('\\', '/') : undefined;
}

function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] as string) : '';
}

/** `@scope/name/part` → `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier);
}

/** Everything that breaks a rule about imports, as sentences. */
function forbiddenImports(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    for (const imported of parse(path, text).imports) {
      const problem = problemWith(path, imported, sources);
      if (problem !== undefined) found.push(`${path} imports ${imported.specifier}: ${problem}`);
    }
  }
  return found;
}

function problemWith(from: string, imported: Import, sources: Sources): string | undefined {
  const to = target(from, imported);
  if (to === undefined) return problemWithPackage(from, imported);
  if (!sources.has(to)) return 'there is no such file';
  return problemWithRoom(from, to, imported.typeOnly);
}

function problemWithPackage(from: string, { specifier }: Import): string | undefined {
  if (isBuiltin(specifier)) return specifier.startsWith('node:') ? undefined : 'a module of Node is imported by node:';
  const name = packageOf(specifier);
  const wrapper = WRAPPED[name];
  if (wrapper !== undefined && wrapper !== from) return `only ${wrapper} may`;
  const room = roomOf(from);
  const allowed =
    room === '' ? ['neverthrow'] : (CORE_ROOMS[room]?.packages ?? ['neverthrow', ...(ADD_ONS[room] ?? [])]);
  return allowed.includes(name) ? undefined : `${name} is not for ${room === '' ? 'the door' : room}`;
}

function problemWithRoom(from: string, to: string, typeOnly: boolean): string | undefined {
  const [here, there] = [roomOf(from), roomOf(to)];
  if (here === there) return undefined;
  if (here === '') return there in CORE_ROOMS ? undefined : `the door does not lead to ${there}`;
  const rules = CORE_ROOMS[here];
  if (rules !== undefined) {
    if (rules.rooms.includes(there) || (typeOnly && rules.types?.includes(there))) return undefined;
    return `no arrow from ${here} to ${there === '' ? 'the door' : there}`;
  }
  if (!(here in ADD_ONS)) return `${here} is no room that is known`;
  if (there === '' || ADD_ON_ROOMS.includes(there)) return undefined;
  if (there in ADD_ONS) return to === `${there}/index.ts` ? undefined : `${there} is used by its door alone`;
  return `no arrow from ${here} to ${there}`;
}

/** Each cycle once, from its first file in order of name. */
function runtimeCycles(sources: Sources): string[] {
  const edges = new Map<string, string[]>();
  for (const [path, text] of sources) {
    const runtime = parse(path, text).imports.filter(({ typeOnly }) => !typeOnly);
    edges.set(
      path,
      runtime.map((imported) => target(path, imported)).filter((to) => to !== undefined),
    );
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      cycles.push([...way.slice(way.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const path of [...sources.keys()].sort()) visit(path, []);
  return cycles;
}

function lines(text: string): number {
  return text.trimEnd().split('\n').length;
}

function tooLong(sources: Sources): string[] {
  return [...sources].filter(([, text]) => lines(text) > MOST_LINES).map(([path, text]) => `${path}: ${lines(text)}`);
}

/** Doors that do not begin with an @module comment, or do not name what they export. */
function badDoors(sources: Sources, doors: readonly string[]): string[] {
  return doors.flatMap((door) => {
    const text = sources.get(door);
    if (text === undefined) return [`${door} does not exist`];
    const comment = /^\/\*\*(?:[^*]|\*(?!\/))*\*\//.exec(text)?.[0] ?? '';
    const problems: string[] = [];
    if (!/^ \* @module\b/m.test(comment)) problems.push(`${door} does not begin with an @module comment`);
    if (parse(door, text).exportsAll) problems.push(`${door} exports everything of a module`);
    return problems;
  });
}

function readSources(): Sources {
  const src = join(root, 'src');
  const files = readdirSync(src, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [relative(src, path).replaceAll('\\', '/'), readFileSync(path, 'utf8')]));
}

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const sources = readSources();

/** The sources of what the package exports. */
function publicDoors(): string[] {
  return Object.values(manifest.exports)
    .map((entry) => (typeof entry === 'string' ? entry : entry.default))
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts'));
}

function importedPackages(room: (name: string) => boolean): Set<string> {
  const specifiers = [...sources]
    .filter(([path]) => room(roomOf(path)))
    .flatMap(([path, text]) => parse(path, text).imports)
    .map(({ specifier }) => specifier)
    .filter((specifier) => !specifier.startsWith('.') && !isBuiltin(specifier));
  return new Set(specifiers.map(packageOf));
}

describe('the sources', () => {
  test('import only along the arrows between the rooms, and packages only where they belong', () => {
    expect(forbiddenImports(sources)).toEqual([]);
  });

  test('have no cycle of imports at run time', () => {
    expect(runtimeCycles(sources)).toEqual([]);
  });

  test('are TypeScript, in rooms that are known', () => {
    const rooms = new Set([...sources.keys()].map(roomOf));
    for (const room of rooms) expect(['', ...Object.keys(CORE_ROOMS), ...Object.keys(ADD_ONS)]).toContain(room);
    for (const path of sources.keys()) expect(path).toMatch(/\.ts$/);
    expect([...sources.keys()].filter((path) => roomOf(path) === '')).toEqual(['index.ts']);
  });

  test(`are mostly under ${USUAL_LINES} lines`, () => {
    const long = [...sources.values()].filter((text) => lines(text) >= USUAL_LINES);
    expect(long.length).toBeLessThan(sources.size / 4);
  });

  test(`are never over ${MOST_LINES} lines`, () => {
    expect(tooLong(sources)).toEqual([]);
  });
});

describe('the public entry points', () => {
  test('begin with an @module comment, and name each thing that they export', () => {
    const doors = publicDoors();
    expect(doors).toContain('index.ts');
    expect(badDoors(sources, doors)).toEqual([]);
  });

  test('are all the doors of add-ons that there are', () => {
    const doors = Object.keys(ADD_ONS).map((room) => `${room}/index.ts`);
    const existing = doors.filter((door) => sources.has(door) && door !== 'cli/index.ts');
    expect(
      publicDoors()
        .filter((door) => door !== 'index.ts')
        .sort(),
    ).toEqual(existing.sort());
  });
});

describe('the packages', () => {
  test('that the core needs are installed with it, and nothing else is imported there', () => {
    const needed = importedPackages((room) => room === '' || room in CORE_ROOMS);
    for (const name of needed) expect(Object.keys(manifest.dependencies)).toContain(name);
  });

  test('that an add-on needs are installed, or optional peers', () => {
    const peers = Object.keys(manifest.peerDependencies ?? {});
    const installable = [...Object.keys(manifest.dependencies), ...peers];
    for (const name of importedPackages((room) => room in ADD_ONS)) expect(installable).toContain(name);
    for (const name of peers) expect(manifest.peerDependenciesMeta?.[name]?.optional).toBe(true);
  });

  test('that are dependencies are imported', () => {
    const imported = importedPackages(() => true);
    for (const name of Object.keys(manifest.dependencies)) expect([...imported]).toContain(name);
  });

  test('that one file wraps are wrapped by it', () => {
    for (const [name, path] of Object.entries(WRAPPED)) {
      const text = sources.get(path) ?? '';
      expect(parse(path, text).imports.map(({ specifier }) => packageOf(specifier))).toContain(name);
    }
  });
});

describe('these rules', () => {
  /** Two innocent files in each room, and one that is under suspicion. */
  function withFile(path: string, text: string): Sources {
    const innocent = [...Object.keys(CORE_ROOMS), ...Object.keys(ADD_ONS)].flatMap((room): [string, string][] => [
      [`${room}/index.ts`, ''],
      [`${room}/inner.ts`, ''],
    ]);
    return new Map([['index.ts', ''], ...innocent, [path, text]]);
  }

  test.each([
    ['pool/new.ts', "import { a } from '../core/inner.ts';", 'no arrow from pool to core'],
    ['pool/new.ts', "import type { A } from '../core/inner.ts';", 'no arrow from pool to core'],
    ['core/new.ts', "import { a } from '../http/index.ts';", 'no arrow from core to http'],
    ['core/new.ts', "import { a } from '../index.ts';", 'no arrow from core to the door'],
    ['core/new.ts', "const a = await import('../store/index.ts');", 'no arrow from core to store'],
    ['core/new.ts', "export { a } from '../testing/inner.ts';", 'no arrow from core to testing'],
    ['policies/new.ts', "import { a } from '../core/inner.ts';", 'no arrow from policies to core'],
    ['policies/new.ts', "import { type A } from '../core/inner.ts';", 'no arrow from policies to core'],
    ['queue-events/new.ts', "import { a } from '../pool/inner.ts';", 'no arrow from queue-events to pool'],
    ['schedule/new.ts', "let a: import('../pool/inner.ts').A;", 'no arrow from schedule to pool'],
    ['testing/new.ts', "import { a } from '../pool/inner.ts';", 'no arrow from testing to pool'],
    ['http/new.ts', "import { a } from '../store/inner.ts';", 'store is used by its door alone'],
    ['index.ts', "export { a } from './http/index.ts';", 'the door does not lead to http'],
    ['attic/new.ts', "import { a } from '../core/inner.ts';", 'attic is no room that is known'],
    ['core/new.ts', "import { a } from './missing.ts';", 'there is no such file'],
    ['core/new.ts', "import Redis from 'ioredis';", 'ioredis is not for core'],
    ['core/new.ts', "import type { Redis } from 'ioredis';", 'ioredis is not for core'],
    ['core/new.ts', "const { Queue } = require('bullmq/deep');", 'bullmq is not for core'],
    ['pool/new.ts', "import PQueue from 'p-queue';", 'p-queue is not for pool'],
    ['http/new.ts', "import { trace } from '@opentelemetry/api/more';", '@opentelemetry/api is not for http'],
    ['core/new.ts', "import { EventEmitter } from 'eventemitter3';", 'only queue-events/queue-events.ts may'],
    ['pool/new.ts', "import Heap from 'fastpriorityqueue';", 'only pool/priority-buffer.ts may'],
    ['core/new.ts', "import { join } from 'path';", 'a module of Node is imported by node:'],
  ])('refuse %s: %s', (path, text, problem) => {
    const found = forbiddenImports(withFile(path, text));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(problem);
  });

  test.each([
    ['core/new.ts', "import { a } from '../pool/inner.ts'; import { ok } from 'neverthrow'; import 'node:fs';"],
    ['policies/new.ts', "import type { A } from '../core/inner.ts';"],
    ['testing/new.ts', "import type { Clock } from '../schedule/inner.ts';"],
    ['http/new.ts', "import { a } from '../index.ts'; import { b } from '../store/index.ts'; import Q from 'p-queue';"],
    ['core/new.ts', "/* import { a } from '../http/index.ts' */ const text = \"import x from 'ioredis'\";"],
  ])('allow %s: %s', (path, text) => {
    expect(forbiddenImports(withFile(path, text))).toEqual([]);
  });

  test('see a cycle at run time, but not one of types', () => {
    const there = "import { b } from './b.ts';";
    const back = "import { a } from './a.ts';";
    expect(runtimeCycles(new Map(Object.entries({ 'a.ts': there, 'b.ts': back })))).toEqual(['a.ts → b.ts → a.ts']);
    const typed = back.replace('import', 'import type');
    expect(runtimeCycles(new Map(Object.entries({ 'a.ts': there, 'b.ts': typed })))).toEqual([]);
  });

  test('see a door that exports everything, or says nothing', () => {
    const good = "/**\n * What it is.\n *\n * @module\n */\nexport { a } from './a.ts';\n";
    const doors = (text: string): string[] => badDoors(new Map([['index.ts', text]]), ['index.ts']);
    expect(doors(good)).toEqual([]);
    expect(doors(`${good}export * from './b.ts';`)).toHaveLength(1);
    expect(doors(`import './c.ts';\n${good}`)).toHaveLength(1);
    expect(doors('/** Nothing. */\n/** @module */')).toHaveLength(1);
    expect(badDoors(new Map(), ['http/index.ts'])).toHaveLength(1);
  });

  test('see a file that is too long', () => {
    const text = 'x;\n'.repeat(MOST_LINES);
    expect(tooLong(new Map([['a.ts', text]]))).toEqual([]);
    expect(tooLong(new Map([['a.ts', `${text}x;\n`]]))).toEqual([`a.ts: ${MOST_LINES + 1}`]);
  });

  test('look at the sources', () => {
    expect(existsSync(join(root, 'src', 'index.ts'))).toBe(true);
    expect(sources.size).toBeGreaterThan(20);
    expect([...sources].flatMap(([path, text]) => parse(path, text).imports).length).toBeGreaterThan(100);
  });
});
