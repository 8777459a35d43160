/** Redis servers for tests, examples and benchmarks: each a process of its own, on a free port, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findRedisServer } from './redis-binary.ts';

export interface RedisServerOptions {
  /**
   * Writes each change to the append-only file and syncs it before the reply: what was acknowledged survives `kill`.
   * @default false: nothing is written, and whoever is killed has forgotten everything
   */
  readonly aof?: boolean;
  /** Its working folder, which is left alone in the end. @default a new temporary one, removed in the end */
  readonly folder?: string;
  /** @default a free one */
  readonly port?: number;
  /** More of its command line: `['--requirepass', 'x']`. */
  readonly args?: readonly string[];
}

export interface RedisServer {
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly folder: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  readonly running: boolean;
  /** SIGKILL; resolves when the process is gone. Its port and folder stay for `restart`. */
  kill(): Promise<void>;
  /** Kills it unless that is done, and starts it again on the same port in the same folder; resolves when it answers. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open, and nothing is answered. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** The end: kills it and removes a folder of its own. May be called again, and after `kill`. */
  stop(): Promise<void>;
  /** One command over a connection of its own, for setting a test up; gives the reply, or rejects after 10 seconds. */
  command(...words: readonly (string | number)[]): Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
}

const START_TIMEOUT = 20_000;
const PORT_ATTEMPTS = 20;

/**
 * Between the parent and the server stands a shell that waits for the parent's word. A parent that dies, in whatever way,
 * says nothing more: the pipe ends, and the shell kills the server and removes the folder that was made for it.
 */
const GUARD = `
  folder=$1; shift
  "$@" </dev/null >"$LOG" 2>&1 &
  echo $!
  exec >/dev/null
  read -r word
  kill -9 $! 2>/dev/null
  wait
  if [ "$word" != keep ] && [ -n "$folder" ]; then rm -rf "$folder"; fi`;

/**
 * Starts a server that refuses to evict keys, and resolves when it answers.
 *
 * @throws NoRedisBinary; an Error with the end of its log if it does not start
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = findRedisServer().path;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'redis-'));
  const log = join(folder, 'redis.log');

  for (let attempt = 1; ; attempt += 1) {
    const server = new Server({
      binary,
      folder,
      log,
      ownFolder: options.folder === undefined,
      port: options.port ?? (await freePort()),
      args: [...(options.aof ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []), ...(options.args ?? [])],
    });
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = readLog(log).includes('Address already in use');
      if (taken && options.port === undefined && attempt < PORT_ATTEMPTS) {
        await server.kill();
        continue;
      }
      await server.stop();
      throw error;
    }
  }
}

/**
 * Some Redis to work with: the one that REDIS_URL names, else one of its own, which `stop` ends. For examples and
 * benchmarks; tests want their own.
 */
export async function someRedis(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const url = process.env.REDIS_URL;
  return url ? { url, stop: async () => {} } : await startRedis();
}

interface Settings {
  readonly binary: string;
  readonly folder: string;
  readonly log: string;
  readonly ownFolder: boolean;
  readonly port: number;
  readonly args: readonly string[];
}

class Server implements RedisServer {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  readonly #settings: Settings;
  #guard: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #pid = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.port = settings.port;
    this.url = `redis://127.0.0.1:${settings.port}`;
    this.folder = settings.folder;
  }

  get pid(): number {
    return this.#pid;
  }

  get running(): boolean {
    return this.#guard !== undefined;
  }

  async start(): Promise<void> {
    const { binary, folder, log, ownFolder, port, args } = this.#settings;
    const server = [binary, '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--daemonize', 'no'];
    const settings = ['--save', '', '--maxmemory-policy', 'noeviction', ...args];
    const guard = spawn('sh', ['-c', GUARD, 'guard', ownFolder ? folder : '', ...server, ...settings], {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, LOG: log },
      stdio: ['pipe', 'pipe', 'inherit'],
      // A terminal's Ctrl-C is for the parent; the guard waits for its word.
      detached: true,
    });
    this.#guard = guard;
    // A guard that is gone reads no more; that is told by its exit.
    guard.stdin.on('error', () => {});
    this.#gone = new Promise((resolve) => {
      guard.once('close', () => {
        if (this.#guard === guard) this.#guard = undefined;
        resolve();
      });
    });
    this.#pid = await pidFrom(guard);
    // The parent may end without stopping the server: the guard sees to it.
    guard.unref();
    (guard.stdin as unknown as { unref(): void }).unref();
    (guard.stdout as unknown as { unref(): void }).unref();
    await this.#answers();
  }

  async kill(): Promise<void> {
    await this.#end('keep');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  pause(): void {
    process.kill(this.#pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.#pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.#guard !== undefined) return this.#end('remove');
    await this.#gone;
    if (this.#settings.ownFolder) {
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  async command(...words: readonly (string | number)[]): Promise<unknown> {
    const redis = new Redis(this.port, '127.0.0.1', {
      lazyConnect: true,
      enableReadyCheck: false,
      retryStrategy: null,
      commandTimeout: 10_000,
      connectTimeout: 10_000,
    });
    redis.on('error', () => {});
    try {
      await redis.connect();
      const [name = '', ...rest] = words;
      return await redis.call(String(name), ...rest.map(String));
    } finally {
      redis.disconnect();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(word: 'keep' | 'remove'): Promise<void> {
    const guard = this.#guard;
    if (guard !== undefined) {
      guard.ref();
      guard.stdin?.end(`${word}\n`);
    }
    await this.#gone;
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT;
    while (true) {
      const reply = String(await this.command('INFO').catch((error: Error) => error.message));
      if (this.#isReady(reply)) return;
      const died = !alive(this.#pid);
      if (died || Date.now() > deadline) {
        const why = died ? 'ended' : `did not answer within ${START_TIMEOUT} ms (${reply})`;
        throw new Error(`redis-server on port ${this.port} ${why}:\n${readLog(this.#settings.log)}`);
      }
      await sleep(10);
    }
  }

  /** By its process id, since another server may have been quicker to take the port. */
  #isReady(reply: string): boolean {
    if (/^(NOAUTH|NOPERM)/.test(reply)) return alive(this.#pid);
    // Not async_loading, which is another field.
    return reply.includes(`process_id:${this.#pid}\r`) && /^loading:0\r/m.test(reply);
  }
}

function pidFrom(guard: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    guard.once('error', reject);
    guard.stdout?.once('data', (text: Buffer) => resolve(Number(text.toString())));
    guard.once('close', () => reject(new Error('the guard of redis-server ended at once')));
  });
}

/** False for a process that ended and that the guard has not buried yet, too. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

/**
 * From below the range that the system takes the ports of outgoing connections from: a client that keeps trying to
 * reconnect to a port of that range may be given the very same one, and then talks to itself.
 */
async function freePort(): Promise<number> {
  while (true) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(-2_000);
  } catch {
    return '';
  }
}
