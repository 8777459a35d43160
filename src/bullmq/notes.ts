import type { Redis } from 'ioredis';

/** What a worker says of a collector. */
export interface Announcement {
  readonly key: string;
  readonly topics: readonly string[];
  /** Its place among the collectors of the worker. */
  readonly order: number;
  /** The delay of each of its tasks, if it has one: milliseconds, or a point in time. */
  readonly delay?: number | undefined;
  readonly at?: number | undefined;
}

/** A message that was not believed. */
export interface QuarantinedMessage {
  /** The key of the collector that it came to. */
  readonly collectorKey: string;
  readonly jobId: string;
  /** Why, in a word or two. */
  readonly reason: string;
  readonly detail: string;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** What was in the job, as it was. */
  readonly data: unknown;
}

/** What is said and remembered of a job that ends. */
export interface Conclusion {
  readonly queue: string;
  readonly jobId: string;
  /** The key of the job's lock, and what stands in it as long as the worker has the job. */
  readonly lockKey: string;
  readonly token: string;
  /** How long it is to be remembered that the job completed, in milliseconds; 0 for not at all. */
  readonly ttl: number;
  /** Where its result is waited for. */
  readonly channel: string;
  /** What is told there; undefined for nothing. */
  readonly news: string | undefined;
}

/** What is kept beside the jobs. All that talks to the database behind BullMQ's back is behind this. */
export interface Notes {
  /** The time by the clock of the database, in milliseconds since the Unix epoch. */
  serverTime(): Promise<number>;
  announce(announcements: readonly Announcement[], now: number): Promise<void>;
  retract(key: string): Promise<void>;
  /** What was announced within `ttl`; what is older is forgotten. */
  announced(now: number, ttl: number): Promise<Announcement[]>;
  /** Whether a job has completed. */
  isDone(queue: string, jobId: string): Promise<boolean>;
  /** Tells what comes of a job. How many listened. */
  tell(channel: string, news: string): Promise<number>;
  /**
   * A job ends with this worker, if that still has it: what is to be told and remembered of that. How many listened;
   * undefined if nothing was told.
   */
  conclude(conclusion: Conclusion): Promise<number | undefined>;
  /** Counts that a job runs alone now: which time this is. */
  startAlone(queue: string, jobId: string): Promise<number>;
  /** The process has outlived the job. */
  endAlone(queue: string, jobId: string): Promise<void>;
  /** Mends a job whose count of attempts is no number. */
  resetAttempts(jobKey: string): Promise<void>;
  /** What is stored of a job, as it is. */
  stored(jobKey: string): Promise<Readonly<Record<string, string>>>;
  quarantine(message: QuarantinedMessage): Promise<void>;
  /** The latest first. */
  quarantined(count: number): Promise<QuarantinedMessage[]>;
  /** How many are kept in quarantine. */
  quarantineSize(): Promise<number>;
  /** The names of all queues that there are. Reads the name of every key in the database. */
  queues(): Promise<string[]>;
}

/** The most messages that are kept in quarantine; the oldest give way. */
const MOST_QUARANTINED = 10_000;

/** A job that runs alone comes back soon or never. Milliseconds. */
const ALONE_TTL = 7 * 86_400_000;

/** Keys that are looked at in one go. */
const SCANNED = 1_000;

/**
 * If the lock is still ours, sets the marker, if any, and tells what is to be told. Sent as a text each time: a script that
 * Redis has forgotten would be sent again behind the move, which takes the lock away.
 */
const CONCLUDE = `if redis.call('GET',KEYS[1])~=ARGV[1] then return end
if ARGV[2]~='0' then redis.call('SET',KEYS[2],'1','PX',ARGV[2]) end
if ARGV[4]~='' then return redis.call('PUBLISH',ARGV[3],ARGV[4]) end`;

/** {@link Notes} in Redis. No collector's queue has a name with an `@`, so the keys meet nobody else's. */
export class RedisNotes implements Notes {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  async serverTime(): Promise<number> {
    const [seconds, micros] = await this.#redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async announce(announcements: readonly Announcement[], now: number): Promise<void> {
    const fields = announcements.flatMap((one) => [one.key, JSON.stringify({ ...one, seen: now })]);
    await this.#redis.hset(this.#registry, ...fields);
  }

  async retract(key: string): Promise<void> {
    await this.#redis.hdel(this.#registry, key);
  }

  async announced(now: number, ttl: number): Promise<Announcement[]> {
    const all = Object.entries(await this.#redis.hgetall(this.#registry)).map(([key, text]) => readEntry(key, text));
    const old = all.filter(({ seen }) => now - seen > ttl);
    if (old.length > 0) await this.#redis.hdel(this.#registry, ...old.map(({ key }) => key));
    const fresh = all.filter((one) => !old.includes(one));
    return fresh.sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1));
  }

  async isDone(queue: string, jobId: string): Promise<boolean> {
    return (await this.#redis.exists(this.#done(queue, jobId))) === 1;
  }

  tell(channel: string, news: string): Promise<number> {
    return this.#redis.publish(channel, news);
  }

  async conclude({ queue, jobId, lockKey, token, ttl, channel, news }: Conclusion): Promise<number | undefined> {
    const doneKey = ttl === 0 ? lockKey : this.#done(queue, jobId);
    const listeners = await this.#redis.eval(CONCLUDE, 2, lockKey, doneKey, token, Math.ceil(ttl), channel, news ?? '');
    return (listeners as number | null) ?? undefined;
  }

  async startAlone(queue: string, jobId: string): Promise<number> {
    const key = this.#alone(queue, jobId);
    const count = await this.#redis.incr(key);
    await this.#redis.pexpire(key, ALONE_TTL);
    return count;
  }

  async endAlone(queue: string, jobId: string): Promise<void> {
    await this.#redis.del(this.#alone(queue, jobId));
  }

  async resetAttempts(jobKey: string): Promise<void> {
    await this.#redis.hset(jobKey, 'atm', 0);
  }

  stored(jobKey: string): Promise<Readonly<Record<string, string>>> {
    return this.#redis.hgetall(jobKey);
  }

  async quarantine(message: QuarantinedMessage): Promise<void> {
    await this.#redis.lpush(this.#quarantine, JSON.stringify(message));
    await this.#redis.ltrim(this.#quarantine, 0, MOST_QUARANTINED - 1);
  }

  async quarantined(count: number): Promise<QuarantinedMessage[]> {
    const texts = await this.#redis.lrange(this.#quarantine, 0, count - 1);
    return texts.map((text) => JSON.parse(text) as QuarantinedMessage);
  }

  quarantineSize(): Promise<number> {
    return this.#redis.llen(this.#quarantine);
  }

  async queues(): Promise<string[]> {
    const [head, tail] = [`${this.#prefix}:`, ':meta'];
    const pattern = `${head.replaceAll(/[\\*?[\]]/g, '\\$&')}*${tail}`;
    const names = new Set<string>();
    for (let cursor = ''; cursor !== '0'; ) {
      const [next, keys] = await this.#redis.scan(cursor || '0', 'MATCH', pattern, 'COUNT', SCANNED);
      for (const key of keys) names.add(key.slice(head.length, -tail.length));
      cursor = next;
    }
    // A prefix that goes on after this one has other queues.
    return [...names].filter((name) => !name.includes(':'));
  }

  get #registry(): string {
    return `${this.#prefix}:@registry`;
  }

  get #quarantine(): string {
    return `${this.#prefix}:@quarantine`;
  }

  #done(queue: string, jobId: string): string {
    return `${this.#prefix}:@done:${queue}:${jobId}`;
  }

  #alone(queue: string, jobId: string): string {
    return `${this.#prefix}:@alone:${queue}:${jobId}`;
  }
}

type Entry = Announcement & { readonly seen: number };

/** An entry that cannot be read counts as old. */
function readEntry(key: string, text: string): Entry {
  const nothing: Entry = { key, topics: [], order: 0, seen: Number.NEGATIVE_INFINITY };
  try {
    const { topics, order, seen, delay, at } = JSON.parse(text) as Partial<Entry>;
    const named = Array.isArray(topics) && topics.every((topic) => typeof topic === 'string');
    if (!named || typeof order !== 'number' || typeof seen !== 'number') return nothing;
    return { key, topics, order, seen, delay: number(delay), at: number(at) };
  } catch {
    return nothing;
  }
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
