import { checkName, checkOptions } from '../core/checks.ts';
import { describe } from '../core/errors.ts';
import { BATCH_OPTIONS, BatchEmitter, PlainCourier, resolveBatchOptions, snapshotEvent } from '../emitter/index.ts';
import { MemoryEventStore, StoreFullError } from '../store/index.ts';
import { RedisConnectionError, RedisReplyError } from './errors.ts';
import { linkTo } from './link.ts';
import { DEFAULT_KEY, type RedisDelivered, type RedisEmitterOptions } from './options.ts';
import { checkTarget, type RedisTarget } from './target.ts';

const OWNER = 'RedisEmitter';

const NAMES = ['key', ...BATCH_OPTIONS] as const satisfies readonly (keyof RedisEmitterOptions)[];

/**
 * Pushes events to a list in Redis, `RPUSH key json`, in batches, within bounds, and again after a failure. An event leaves
 * the store when Redis has answered, and not before. Where the answer got lost it is sent again, so that Redis may hold it
 * twice: at least once.
 *
 * It works as soon as it is made, and connects with the first event. Events that wait keep the process alive until they
 * are delivered, or it is closed; a connection of its own does not.
 */
export class RedisEmitter extends BatchEmitter<RedisDelivered> {
  /**
   * @param redis - a URL, `redis://localhost:6379`, or a client of ioredis or redis, which its owner connects and closes
   * @throws {@link InvalidArgumentError} (a TypeError) for a target or an option that is wrong.
   */
  constructor(redis: RedisTarget, options: RedisEmitterOptions = {}) {
    const target = checkTarget(`${OWNER}: redis`, redis);
    checkOptions<RedisEmitterOptions>(OWNER, options, NAMES);
    const { key = DEFAULT_KEY, ...rest } = options;
    const list = checkName(`${OWNER}: key`, key);
    const settings = resolveBatchOptions<RedisDelivered, object>(OWNER, rest, { batchSize: 100, flushInterval: 100 });
    const { bufferCapacity, overflow } = settings;
    const link = linkTo(target, `a ${OWNER} with a URL`);
    super({
      settings,
      snapshot: (event) => snapshotEvent(OWNER, event),
      courier: (desk) =>
        new PlainCourier<RedisDelivered>(desk, {
          ...settings,
          send: async (texts, signal) => ({ length: lengthIn(await link.send(['RPUSH', list, ...texts], signal)) }),
          lost: (message) => new RedisConnectionError(message),
        }),
      memory: () => new MemoryEventStore({ capacity: bufferCapacity, overflow }),
      full: (message) => new StoreFullError(message),
      opening: () => link.prepare(),
      closed: () => link.close(),
    });
  }
}

/** Redis answers with the length of the list; anything else acknowledges nothing. */
function lengthIn(reply: unknown): number {
  const length = Number(reply);
  if (Number.isSafeInteger(length) && length > 0) return length;
  throw new RedisReplyError(`${describe(reply)} instead of the length of the list`, true);
}
