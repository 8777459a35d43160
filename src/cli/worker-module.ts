import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BullMQQueueOptions } from '../bullmq/index.ts';
import { type AnyCollector, Collector } from '../core/collector.ts';
import { describe, describeThrown } from '../core/errors.ts';
import { FailedError, UsageError } from './command.ts';

/** What a worker runs. */
export interface WorkerModule {
  readonly collectors: readonly AnyCollector[];
  readonly options: Partial<BullMQQueueOptions>;
}

/** Options that are the business of the command. */
const OWN_OPTIONS = ['role', 'logger'] as const;

/**
 * The collectors of a module: its default export, or `collectors`, or what that returns if it is a function. `options`,
 * if it exports them, are those of the queue.
 *
 * @throws {@link UsageError} for a module that cannot be one, {@link FailedError} if its code fails
 */
export async function loadWorkerModule(path: string): Promise<WorkerModule> {
  const file = resolve(path);
  checkFile(path, file);
  const exports = await settled(path, () => load(path, file));
  const given = exports.collectors ?? exports.default;
  if (given === undefined) {
    throw new UsageError(`${path} has no collectors: it must export an array of them, as default or as collectors`);
  }
  const called = typeof given === 'function' ? await settled(path, () => run(path, given as () => unknown)) : given;
  return { collectors: checkCollectors(path, called), options: checkOptions(path, exports.options) };
}

type Exports = { readonly [name in 'collectors' | 'default' | 'options']?: unknown };

async function load(path: string, file: string): Promise<Exports> {
  let exports: Exports;
  try {
    exports = (await import(pathToFileURL(file).href)) as Exports;
  } catch (error) {
    throw explained(path, file, error);
  }
  const { default: inner } = exports;
  // A CommonJS module is its own default export; compiled ones have another one within.
  const isWhole = typeof inner === 'object' && inner !== null && ('collectors' in inner || 'default' in inner);
  return isWhole ? { ...inner } : exports;
}

async function run(path: string, collectors: () => unknown): Promise<unknown> {
  try {
    return await collectors();
  } catch (error) {
    throw new FailedError(`the function for collectors of ${path} failed: ${inFull(error)}`, error);
  }
}

/** Node just ends when nothing is left that what is awaited could come from. */
async function settled<T>(path: string, work: () => Promise<T>): Promise<T> {
  let onExit = (): void => undefined;
  const never = new Promise<never>((_, reject) => {
    onExit = () => reject(new FailedError(`${path} awaits what never comes: nothing is left that it could wait for`));
    process.once('beforeExit', onExit);
  });
  try {
    return await Promise.race([work(), never]);
  } finally {
    process.off('beforeExit', onExit);
  }
}

function checkFile(path: string, file: string): void {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new UsageError(`there is no module ${path}: no file ${file}`);
  if (found.isDirectory()) throw new UsageError(`${path} is a folder, not a module`);
}

/** Why a module could not be loaded. */
export function explained(path: string, file: string, error: unknown): Error {
  const { code } = error as { code?: unknown };
  const extension = extname(file);
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && describeThrown(error).includes(file)) {
    const isTypeScript = /^\.[cm]?tsx?$/.test(extension);
    const how = isTypeScript
      ? ": compile it, use Node 22.18 or later, or a loader, such as NODE_OPTIONS='--import tsx'"
      : '';
    return new UsageError(`${path}: Node ${process.versions.node} loads no files that end with '${extension}'${how}`);
  }
  const where = error instanceof SyntaxError ? placeOf(file, error) : '';
  return new FailedError(`${path} cannot be loaded: ${where}${inFull(error)}`, error);
}

/** Node tells where a syntax error is only when it runs the file itself. */
function placeOf(file: string, { stack = '' }: SyntaxError): string {
  if (stack.includes(file)) return '';
  const { status, stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000 });
  const [place = ''] = /^[^\n]*:\d+\n[^\n]*\n[ ^]*\n/.exec(stderr ?? '') ?? [];
  return status === 0 ? '' : `${place}`;
}

function inFull(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : describeThrown(error);
}

function checkCollectors(path: string, given: unknown): readonly AnyCollector[] {
  if (!Array.isArray(given)) {
    throw new UsageError(`the collectors of ${path} must be an array of Collectors, but it is ${describe(given)}`);
  }
  if (given.length === 0) throw new UsageError(`${path} has no collectors: the array is empty`);
  const keys = new Set<string>();
  for (const [at, one] of given.entries()) {
    checkCollector(`collectors[${at}] of ${path}`, one);
    if (keys.has(one.key)) throw new UsageError(`two collectors of ${path} have the key "${one.key}"`);
    keys.add(one.key);
  }
  return given;
}

function checkCollector(name: string, one: unknown): asserts one is AnyCollector {
  if (one instanceof Collector) return;
  const { key, processor } = (one ?? {}) as { key?: unknown; processor?: unknown };
  if (typeof key !== 'string' || typeof processor !== 'function') {
    throw new UsageError(`${name} must be a Collector, but it is ${describe(one)}`);
  }
  throw new UsageError(
    `${name} is a Collector of another copy of collector-queue than the one that runs this command: ` +
      'run the one that is installed beside the module, with npx collector-queue in its folder',
  );
}

function checkOptions(path: string, given: unknown): Partial<BullMQQueueOptions> {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new UsageError(`the options of ${path} must be an object, but they are ${describe(given)}`);
  }
  const own = OWN_OPTIONS.find((name) => name in given);
  if (own === undefined) return given;
  throw new UsageError(`the options of ${path} must be without ${own}: that is up to the command`);
}
