import { InvalidArgumentError, MissingPackageError, UnusablePackageError } from '../core/errors.ts';
import { IOREDIS } from './connection.ts';
import { asRedisError, RedisConnectionError } from './errors.ts';
import { checkTarget, type IoredisClient, type KnownTarget } from './target.ts';

/** Where BullMQ keeps its jobs: a URL, or a client of ioredis, of which only the options are used. */
export type BullMQTarget = string | URL | IoredisClient;

/** As it is after a check. */
export type KnownBullMQTarget = Exclude<KnownTarget, { kind: 'redis' }>;

/** @throws {@link InvalidArgumentError} */
export function checkBullMQTarget(name: string, connection: unknown): KnownBullMQTarget {
  const target = checkTarget(name, connection);
  if (target.kind !== 'redis') return target;
  throw new InvalidArgumentError(name, 'a URL or a client of ioredis, which BullMQ works with', 'a client of redis');
}

/** What is used of a queue of BullMQ. */
interface JobQueue {
  add(name: string, data: object, options: object): Promise<{ readonly id?: string | undefined }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

/** What is used of a client of ioredis. */
export interface OwnClient {
  readonly stream?: { destroy?(): unknown; unref?(): unknown };
  on(event: string, listener: (error?: unknown) => void): unknown;
  disconnect(): void;
}

export interface Packages {
  readonly bullmq: Pick<typeof import('bullmq'), 'Queue' | 'Worker' | 'UnrecoverableError'>;
  readonly ioredis: Pick<typeof import('ioredis'), 'Redis'>;
}

/** Rejects with a {@link MissingPackageError} or an {@link UnusablePackageError}. */
export async function loadBullMQ(need: string): Promise<Packages> {
  return {
    bullmq: await loaded('bullmq', need, () => import('bullmq')),
    ioredis: await loaded('ioredis', need, () => import('ioredis')),
  };
}

async function loaded<T>(name: string, need: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const isMissing = new RegExp(`Cannot find (package|module) '${name}'`).test(String(error));
    throw new (isMissing ? MissingPackageError : UnusablePackageError)(name, need, error);
  }
}

/** A client of its own, made as the target says. */
export function clientFor({ ioredis }: Packages, target: KnownBullMQTarget, options: object): OwnClient {
  if (target.kind === 'ioredis') return target.client.duplicate(options) as OwnClient;
  return new ioredis.Redis(target.url, options) as unknown as OwnClient;
}

/** Ends the connection at once, whatever the other side does. */
export function cut(client: OwnClient): void {
  client.disconnect();
  client.stream?.destroy?.();
}

interface Session {
  readonly queue: JobQueue;
  readonly client: OwnClient;
}

/** Adds jobs over one connection after another. An addition that is given up takes its connection along. */
export class JobLink {
  readonly #target: KnownBullMQTarget;
  readonly #name: string;
  readonly #prefix: string | undefined;
  readonly #need: string;
  #session: Session | undefined = undefined;

  constructor(target: KnownBullMQTarget, settings: { name: string; prefix: string | undefined; need: string }) {
    this.#target = target;
    this.#name = settings.name;
    this.#prefix = settings.prefix;
    this.#need = settings.need;
  }

  /** Rejects if a package is missing. */
  async prepare(): Promise<void> {
    await loadBullMQ(this.#need);
  }

  /** Resolves to the id of the job once it is in Redis. Rejects as `send` of a link does. */
  async add(name: string, data: object, options: object, signal: AbortSignal): Promise<string> {
    try {
      const packages = await loadBullMQ(this.#need);
      if (signal.aborted) throw new RedisConnectionError('the job was given up before it was sent');
      this.#session ??= this.#open(packages);
      return await this.#addOver(this.#session, name, data, options, signal);
    } catch (thrown) {
      throw asRedisError(thrown);
    }
  }

  close(): void {
    if (this.#session !== undefined) this.#drop(this.#session);
  }

  async #addOver(session: Session, name: string, data: object, options: object, signal: AbortSignal): Promise<string> {
    const giveUp = (): void => this.#drop(session);
    signal.addEventListener('abort', giveUp);
    try {
      const { id } = await session.queue.add(name, data, options);
      if (id === undefined) throw new RedisConnectionError('the job has no id, so that it may not be there');
      return id;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #open(packages: Packages): Session {
    const client = clientFor(packages, this.#target, IOREDIS);
    const prefix = this.#prefix === undefined ? {} : { prefix: this.#prefix };
    const queue = new packages.bullmq.Queue(this.#name, { connection: client as never, ...prefix }) as JobQueue;
    const session: Session = { queue, client };
    for (const event of ['error', 'end']) client.on(event, () => this.#drop(session));
    // Events that wait keep the process alive; the connection does not.
    client.on('ready', () => void client.stream?.unref?.());
    // Whoever adds a job hears of it.
    queue.on('error', () => undefined);
    return session;
  }

  #drop(session: Session): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    cut(session.client);
    session.queue.close().catch(() => undefined);
  }
}
