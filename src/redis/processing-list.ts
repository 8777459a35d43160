import { RedisReplyError } from './errors.ts';
import type { Link } from './link.ts';

/** An element that was taken, and what tells it from others whatever bytes it is made of. */
export interface TakenText {
  readonly text: string;
  readonly digest: string;
}

/** An element that nobody will forward. */
export interface DeadText {
  readonly taken: TakenText;
  readonly reason: Error;
}

export interface ProcessingListSettings {
  readonly key: string;
  readonly id: string;
  readonly deadKey: string;
  /** Milliseconds after which a forwarder that is not heard of counts as dead. */
  readonly heartbeatTimeout: number;
}

/**
 * Each script is atomic, so an element is always in one of the lists, and whose processing list holds elements is always
 * in the set of forwarders.
 *
 *     key ──take──→ key:processing:<id> ──settle──→ gone, or key:dead
 *      ↑                    │
 *      └──────give back─────┘   when it stops, or by others once its heartbeat has expired
 */
const BEAT = `
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
  redis.call('SADD', KEYS[4], ARGV[1])`;

/** Fills the list up, so what an earlier take got, and nobody heard of, comes first. */
const TAKE = `${BEAT}
  for _ = redis.call('LLEN', KEYS[2]) + 1, tonumber(ARGV[3]) do
    if not redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT') then break end
  end
  local reply = {}
  for _, text in ipairs(redis.call('LRANGE', KEYS[2], 0, tonumber(ARGV[3]) - 1)) do
    table.insert(reply, text)
    table.insert(reply, redis.sha1hex(text))
  end
  return reply`;

/**
 * By what they are, not by where they stand; and what was given back meanwhile is not there. After the number of those that
 * are done come the dead, each with the beginning of its letter.
 */
const SETTLE = `
  local done, letters = {}, {}
  local last = 1 + tonumber(ARGV[1])
  for at = 2, last do done[ARGV[at]] = (done[ARGV[at]] or 0) + 1 end
  for at = last + 1, #ARGV, 2 do
    letters[ARGV[at]] = letters[ARGV[at]] or {}
    table.insert(letters[ARGV[at]], ARGV[at + 1])
  end
  for _, text in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    local digest = redis.sha1hex(text)
    if (done[digest] or 0) > 0 then
      done[digest] = done[digest] - 1
      redis.call('LREM', KEYS[1], 1, text)
    elseif letters[digest] and #letters[digest] > 0 then
      redis.call('RPUSH', KEYS[2], table.remove(letters[digest]) .. cjson.encode(text) .. '}')
      redis.call('LREM', KEYS[1], 1, text)
    end
  end
  return 1`;

/** From the youngest to the oldest, each to the front: they are as old as they were. */
const GIVE_BACK = `
  if ARGV[2] == 'if dead' and redis.call('EXISTS', KEYS[3]) == 1 then return -1 end
  local moved = 0
  while redis.call('LMOVE', KEYS[2], KEYS[1], 'RIGHT', 'LEFT') do moved = moved + 1 end
  redis.call('SREM', KEYS[4], ARGV[1])
  redis.call('DEL', KEYS[3])
  return moved`;

/** A server that is full must be emptied all the same; from Redis 7 on a script has to say so. */
const ALLOWED_WHEN_FULL = '#!lua flags=allow-oom\n';

/** The lists in Redis of one forwarder, and of those that died. Every method rejects as {@link Link.send} does. */
export class ProcessingList {
  readonly #link: Link;
  readonly #settings: ProcessingListSettings;
  readonly #forwarders: string;
  #prefix = ALLOWED_WHEN_FULL;

  constructor(link: Link, settings: ProcessingListSettings) {
    this.#link = link;
    this.#settings = settings;
    this.#forwarders = `${settings.key}:forwarders`;
  }

  /** The oldest elements, at most `count`; what it took before, and did not settle, among them. */
  async take(count: number, signal: AbortSignal): Promise<readonly TakenText[]> {
    const { id, heartbeatTimeout } = this.#settings;
    const reply = await this.#run(TAKE, this.#keysOf(id), [id, heartbeatTimeout, count], signal);
    const flat = Array.isArray(reply) ? reply.map(String) : [];
    return flat.flatMap((text, at) => (at % 2 === 0 ? [{ text, digest: flat[at + 1] as string }] : []));
  }

  /** Says that it lives. */
  async beat(signal: AbortSignal): Promise<void> {
    const { id, heartbeatTimeout } = this.#settings;
    await this.#run(BEAT, this.#keysOf(id), [id, heartbeatTimeout], signal);
  }

  /** Resolves when there may be something to take, or after so many milliseconds. */
  async wait(limit: number, signal: AbortSignal): Promise<void> {
    const { key } = this.#settings;
    // From its front to its front: it waits for an element, and moves none.
    await this.#link.send(['BLMOVE', key, key, 'LEFT', 'LEFT', String(limit / 1_000)], signal);
  }

  /** Lets go of elements that are done with, and puts the dead aside. */
  async settle(done: readonly TakenText[], dead: readonly DeadText[], signal: AbortSignal): Promise<void> {
    const { id, deadKey } = this.#settings;
    const letters = dead.flatMap(({ taken, reason }) => [taken.digest, letterOf(reason, id)]);
    const args = [done.length, ...done.map(({ digest }) => digest), ...letters];
    await this.#run(SETTLE, [this.#processing(id), deadKey], args, signal);
  }

  /** Lets others have what it took, and is no forwarder any more. Resolves to how many elements that were. */
  async giveBack(signal: AbortSignal): Promise<number> {
    const { id } = this.#settings;
    return Number(await this.#run(GIVE_BACK, this.#keysOf(id), [id, 'now'], signal));
  }

  /** Puts back what dead forwarders had taken. Resolves to how many elements that were. */
  async recover(signal: AbortSignal): Promise<number> {
    const known = await this.#link.send(['SMEMBERS', this.#forwarders], signal);
    const ids = (Array.isArray(known) ? known.map(String) : []).filter((id) => id !== this.#settings.id);
    let recovered = 0;
    for (const id of ids) {
      const moved = Number(await this.#run(GIVE_BACK, this.#keysOf(id), [id, 'if dead'], signal));
      recovered += Math.max(0, moved);
    }
    return recovered;
  }

  #processing(id: string): string {
    return `${this.#settings.key}:processing:${id}`;
  }

  #keysOf(id: string): string[] {
    const { key } = this.#settings;
    return [key, this.#processing(id), `${key}:heartbeat:${id}`, this.#forwarders];
  }

  async #run(
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
    signal: AbortSignal,
  ): Promise<unknown> {
    const words = [String(keys.length), ...keys, ...args.map(String)];
    try {
      return await this.#link.send(['EVAL', this.#prefix + script, ...words], signal);
    } catch (error) {
      if (this.#prefix === '' || !isOlderThanFlags(error)) throw error;
      this.#prefix = '';
      return this.#link.send(['EVAL', script, ...words], signal);
    }
  }
}

function isOlderThanFlags(error: unknown): boolean {
  return error instanceof RedisReplyError && /Error compiling script/i.test(error.message);
}

/** The beginning of a letter, which the script ends: only Redis has the exact bytes. */
function letterOf(reason: Error, forwarder: string): string {
  const { code } = reason as { code?: unknown };
  const letter = { reason: reason.message, name: reason.name, code, forwarder, at: Date.now() };
  return `${JSON.stringify(letter).slice(0, -1)},"text":`;
}
