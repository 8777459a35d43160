/** Where a `redis-server` is on this machine, and whether it will do. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The list of events is moved with LMOVE, which came with 6.2. */
const OLDEST = [6, 2] as const;

/** Of Debian's and Homebrew's packages, and of those who build it themselves; looked through after PATH. */
const USUAL_FOLDERS = [
  '/usr/bin',
  '/usr/local/bin',
  '/opt/homebrew/bin',
  '/opt/homebrew/opt/redis/bin',
  '/usr/local/opt/redis/bin',
];

export interface RedisBinary {
  readonly path: string;
  readonly version: string;
}

/** Nothing usable was found. The message tells of each that was looked at, why it will not do, and what to do. */
export class NoRedisBinary extends Error {
  override readonly name = 'NoRedisBinary';

  constructor(tried: readonly string[]) {
    super(
      [`no redis-server of version ${OLDEST.join('.')} or later was found`, ...tried].join('\n  ') +
        '\nrun: npx tsx scripts/redis-server.ts, or set REDIS_SERVER to the path of one',
    );
  }
}

/**
 * The first usable one of: REDIS_SERVER (nothing else then), the folders of PATH, the usual folders.
 *
 * @throws {@link NoRedisBinary}
 */
export function findRedisServer(env: NodeJS.ProcessEnv = process.env): RedisBinary {
  const named = env.REDIS_SERVER;
  const folders = [...(env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), ...USUAL_FOLDERS];
  const candidates = named ? [named] : [...new Set(folders)].map((folder) => join(folder, 'redis-server'));
  const tried: string[] = [];
  for (const path of candidates) {
    if (!isExecutable(path)) {
      if (named) tried.push(`REDIS_SERVER=${path}: not an executable file`);
      continue;
    }
    const version = versionOf(path);
    if (version !== undefined && isNewEnough(version)) return { path, version };
    tried.push(`${path}: ${version === undefined ? 'tells no version' : `version ${version} is too old`}`);
  }
  throw new NoRedisBinary(tried);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionOf(path: string): string | undefined {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  return /\bv=(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1];
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
