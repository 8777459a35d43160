/**
 * Checks the package as its users get it: packs it, lints the tarball, installs it without install scripts, then
 * imports, requires and type-checks every subpath that `exports` names. A new subpath needs no change here.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

class CheckFailed extends Error {}

const root = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'check-package-'));
const consumer = join(scratch, 'consumer');

try {
  const tarball = pack();
  lint(tarball);
  install(tarball);
  // The installed manifest is the one that counts.
  const manifest = readManifest(join(consumer, 'node_modules', readManifest(root).name));
  const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');
  if (subpaths.length === 0) fail('package.json exports nothing');
  const specifiers = subpaths.map((subpath) => manifest.name + subpath.slice(1));
  const loaded = new Map(specifiers.map((specifier) => [specifier, loadWithoutPeers(specifier, manifest)]));
  installPeers();
  const modules = specifiers.map((specifier) => {
    return { specifier, names: loaded.get(specifier) ?? loadBothWays(specifier) };
  });
  openStore(manifest.name);
  run('require package.json', process.execPath, ['-p', `require('${manifest.name}/package.json').version`]);
  compileConsumer(modules);
  console.log(`package: ${modules.length} entry point(s) hold`);
} catch (error) {
  if (!(error instanceof CheckFailed)) throw error;
  console.error(`check:package: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function pack(): string {
  mkdirSync(consumer);
  run('pack', 'npm', ['pack', '--pack-destination', scratch], root);
  const tarball = readdirSync(scratch).find((name) => name.endsWith('.tgz'));
  return join(scratch, tarball ?? fail('npm pack left no tarball'));
}

function lint(tarball: string): void {
  runTool('publint', 'publint', ['run', tarball, '--strict', '--pack', 'false']);
  runTool('@arethetypeswrong/cli', 'attw', [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']);
}

function install(tarball: string): void {
  writeJson('package.json', { name: 'consumer', private: true, type: 'module' });
  installPackages(tarball);
}

/** What is optional: needed by what uses it alone. */
function installPeers(): void {
  const { peerDependencies = {} } = readManifest(root);
  installPackages(...Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`));
  // The platform's types, which a TypeScript user of Node has at hand.
  for (const name of ['@types/node', 'undici-types']) {
    cpSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), { recursive: true });
  }
}

/** The native binary of the store's package comes with it, and needs no install script. */
function openStore(name: string): void {
  const program = `
    import { LevelEventStore } from '${name}/store';
    const store = new LevelEventStore('spool');
    const added = await store.add({ e: 'pv' });
    if (added.isErr()) throw added.error;
    await store.close();`;
  run('open an event store', process.execPath, ['--input-type=module', '-e', program]);
}

function installPackages(...packages: readonly string[]): void {
  const flags = ['--ignore-scripts', '--engine-strict', '--no-audit', '--no-fund', '--prefer-offline'];
  run('install', 'npm', ['install', ...flags, ...packages]);
}

/** Undefined for a subpath that is nothing without one of the peers, if that is what Node says. */
function loadWithoutPeers(specifier: string, { peerDependencies = {} }: Manifest): readonly string[] | undefined {
  try {
    return loadBothWays(specifier);
  } catch (error) {
    const missing = /Cannot find package '([^']+)'/.exec((error as Error).message)?.[1];
    if (missing === undefined || !(missing in peerDependencies)) throw error;
    console.log(`${specifier}: needs ${missing}`);
    return undefined;
  }
}

/** The sorted names that a subpath exports at run time, the same for `import()` and `require()`. */
function loadBothWays(specifier: string): readonly string[] {
  const print = `names => console.log(JSON.stringify(Object.keys(names).filter((name) => name !== '__esModule').sort()))`;
  writeFileSync(join(consumer, 'load.mjs'), `(${print})(await import('${specifier}'));\n`);
  writeFileSync(join(consumer, 'load.cjs'), `(${print})(require('${specifier}'));\n`);
  const imported = run(`import('${specifier}')`, process.execPath, ['load.mjs']);
  const required = run(`require('${specifier}')`, process.execPath, ['load.cjs']);
  if (imported !== required) fail(`'${specifier}' imports ${imported} but requires ${required}`);
  const names = JSON.parse(imported) as readonly string[];
  if (names.length === 0) fail(`'${specifier}' exports nothing`);
  console.log(`${specifier}: ${names.length} exports`);
  return names;
}

/** Type-checks a strict consumer, in which the declared values of every subpath are those that exist at run time. */
function compileConsumer(modules: readonly { specifier: string; names: readonly string[] }[]): void {
  const checks = modules.map(({ specifier, names }, index) => {
    const namesType = names.map((name) => JSON.stringify(name)).join(' | ');
    return [
      `import * as module${index} from '${specifier}';`,
      `type Declared${index} = keyof typeof module${index};`,
      `export const undeclared${index}: [Exclude<${namesType}, Declared${index}>] extends [never] ? true : false = true;`,
      `export const missing${index}: [Exclude<Declared${index}, ${namesType}>] extends [never] ? true : false = true;`,
    ].join('\n');
  });
  const required = modules.map(
    ({ specifier }, index) =>
      `import module${index} = require('${specifier}');\nexport const names${index} = Object.keys(module${index});`,
  );
  writeFileSync(join(consumer, 'consumer.mts'), `${checks.join('\n')}\n`);
  writeFileSync(join(consumer, 'consumer.cts'), `${required.join('\n')}\n`);
  writeJson('tsconfig.json', {
    compilerOptions: {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      types: ['node'],
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    },
    files: ['consumer.mts', 'consumer.cts'],
  });
  runTool('typescript', 'tsc', ['-p', consumer]);
  console.log('types: a strict consumer compiles');
}

function runTool(packageName: string, bin: string, args: readonly string[]): void {
  const directory = join(root, 'node_modules', packageName);
  const script = readManifest(directory).bin?.[bin] ?? fail(`${packageName} has no command ${bin}`);
  console.log(run(bin, process.execPath, [join(directory, script), ...args]));
}

/** Runs to the end, within two minutes and without input; gives what was printed. */
function run(what: string, command: string, args: readonly string[], cwd = consumer): string {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 120_000,
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (status === 0) return stdout.trim();
  return fail(`${what} failed (${error?.message ?? signal ?? `exit code ${status}`})\n${stdout}${stderr}`);
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

function writeJson(name: string, value: unknown): void {
  writeFileSync(join(consumer, name), `${JSON.stringify(value, null, 2)}\n`);
}

function fail(message: string): never {
  throw new CheckFailed(message);
}
