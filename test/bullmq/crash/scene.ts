import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BullMQQueueOptions } from 'collector-queue/bullmq';
import { type RedisServer, type RedisServerOptions, startRedis } from '../../redis-server.ts';
import { Executions } from './executions.ts';
import { Loader } from './loader.ts';
import { Workers } from './workers.ts';

/** What a scene is made of. */
export interface SceneOptions {
  readonly keys: readonly string[];
  readonly redis?: RedisServerOptions;
  /** Of the queues of all processes. */
  readonly queue?: Omit<BullMQQueueOptions, 'connection'>;
}

/** A Redis, worker processes and their log, and loaders in this process. Everything ends with it. */
export class Scene {
  readonly redis: RedisServer;
  readonly workers: Workers;
  readonly executions: Executions;
  /** Of every queue. */
  readonly options: BullMQQueueOptions;
  readonly #keys: readonly string[];
  readonly #folder: string;
  readonly #loaders: Loader[] = [];

  private constructor(redis: RedisServer, folder: string, { keys, queue = {} }: SceneOptions) {
    const log = join(folder, 'executions');
    this.redis = redis;
    this.options = { ...queue, connection: redis.url };
    this.executions = new Executions(log);
    this.workers = new Workers({ keys, log, options: this.options });
    this.#keys = keys;
    this.#folder = folder;
  }

  static async begin(options: SceneOptions): Promise<Scene> {
    const folder = mkdtempSync(join(tmpdir(), 'cq-bullmq-'));
    return new Scene(await startRedis(options.redis), folder, options);
  }

  /** Each loader has a million ids. */
  async loader(options: Partial<BullMQQueueOptions> = {}): Promise<Loader> {
    const loader = new Loader(this.#keys, { ...this.options, ...options }, this.#loaders.length * 1_000_000);
    this.#loaders.push(loader);
    await loader.start();
    return loader;
  }

  /** Those of what was acknowledged that no worker has done. */
  lost(...loaders: readonly Loader[]): string[] {
    this.executions.read();
    return loaders.flatMap(({ acked }) => [...acked].filter((task) => !this.executions.done.has(task)));
  }

  /** Resolves to true once all that was acknowledged is done, or to false once nothing was done for so long. */
  async allDone(
    loaders: readonly Loader[],
    { patience = 20_000, signal }: { readonly patience?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<boolean> {
    let left = Number.POSITIVE_INFINITY;
    let changed = performance.now();
    for (;;) {
      const now = this.lost(...loaders).length + loaders.reduce((sum, { open }) => sum + open, 0);
      if (now === 0) return true;
      if (now !== left) changed = performance.now();
      if (performance.now() - changed > patience) return false;
      left = now;
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers.killAll();
    await Promise.allSettled(this.#loaders.map((loader) => loader.stop(1_000)));
    await this.redis.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
