import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerUnavailableError, type Observation, QueueObserver } from '../bullmq/index.ts';
import { asError, CollectorQueueError, InvalidArgumentError } from '../core/errors.ts';
import { systemClock } from '../schedule/clock.ts';
import { settlesWithin } from '../schedule/time-limit.ts';
import { type Command, ExitCode, FailedError, readArgs, readWhole, type Terminal, UsageError } from './command.ts';
import { missingRedis, REDIS_VARIABLE, type RedisUrl, redisUrlOf } from './redis-url.ts';
import { describeStatus, jsonOfStatus } from './status-text.ts';
import { stopSignal } from './stop-signal.ts';

const USAGE = `collector-queue status --redis <url> [options]

Shows the collectors that workers have announced in Redis, and those that nobody announces any more, of which there are jobs:
how many of their jobs wait, run (active), are delayed, have failed, or have completed, as far as they are kept; how long the
one that comes next has waited; how many workers each has, and whether it is paused.

  --redis <url>            redis://user:password@host:6379/0, rediss:// for TLS (the variable ${REDIS_VARIABLE})
  --prefix <name>          what the names of the keys in Redis begin with (collector-queue)
  --json                   as JSON, in one line
  --watch                  again and again, until interrupted
  --interval <ms>          how often, with --watch (1000)
  --connect-timeout <ms>   how long Redis may take to answer (5000)

The exit code is 1 if Redis does not answer, 2 if the command line is wrong.
`;

const OPTIONS = {
  redis: { type: 'string' },
  prefix: { type: 'string' },
  json: { type: 'boolean', default: false },
  watch: { type: 'boolean', default: false },
  interval: { type: 'string' },
  'connect-timeout': { type: 'string' },
} as const;

const LONGEST = 2 ** 31 - 1;

/** For what comes after the connection. Milliseconds. */
const SPARED = 2_000;

export const status: Command = {
  summary: 'show queues, jobs and workers in Redis',
  usage: USAGE,
  run: async (args, terminal) => {
    const { values } = readArgs('status', args, OPTIONS);
    const redis = redisUrlOf(values.redis, terminal.env);
    if (redis === undefined) throw missingRedis('status');
    if (values.interval !== undefined && !values.watch) throw new UsageError('--interval is for --watch');
    const interval = readWhole('interval', values.interval, { min: 100, max: LONGEST }) ?? 1_000;
    const connectTimeout = readWhole('connect-timeout', values['connect-timeout'], { min: 1, max: LONGEST }) ?? 5_000;
    const observer = new QueueObserver({
      connection: redis.url,
      ...(values.prefix === undefined ? {} : { prefix: values.prefix }),
      connectTimeout,
    });
    const show = new Showing(observer, redis, connectTimeout, values, terminal);
    try {
      await show.once();
      if (values.watch)
        await show.again(
          interval,
          stopSignal(() => process.exit(ExitCode.FAILED)),
        );
    } finally {
      await observer.close();
    }
    return ExitCode.OK;
  },
};

/** To the upper left corner, and everything below away. */
const CLEAR = '\u001b[H\u001b[J';

class Showing {
  readonly #observer: QueueObserver;
  readonly #redis: RedisUrl;
  readonly #timeout: number;
  readonly #json: boolean;
  readonly #watch: boolean;
  readonly #terminal: Terminal;

  constructor(
    observer: QueueObserver,
    redis: RedisUrl,
    timeout: number,
    { json, watch }: { readonly json: boolean; readonly watch: boolean },
    terminal: Terminal,
  ) {
    this.#observer = observer;
    this.#redis = redis;
    this.#timeout = timeout;
    this.#json = json;
    this.#watch = watch;
    this.#terminal = terminal;
  }

  /** @throws {@link FailedError} if Redis does not answer, or refuses */
  async once(): Promise<void> {
    const found = await this.#read();
    this.#show(this.#json ? jsonOfStatus(found) : this.#head() + describeStatus(found));
  }

  /** An outage is told, and waited out. */
  async again(interval: number, stopped: Promise<unknown>): Promise<void> {
    const pause = new AbortController();
    void stopped.then(() => pause.abort());
    const { signal } = pause;
    while (!signal.aborted) {
      await sleep(interval, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.once().catch(({ message }: Error) => {
        if (this.#json) this.#terminal.stderr.write(`collector-queue: ${message}\n`);
        else this.#show(`${this.#head()}${message}\n`);
      });
    }
  }

  async #read(): Promise<Observation> {
    const limit = this.#timeout + SPARED;
    try {
      await this.#observer.open();
      const reading = this.#observer.read();
      if (await settlesWithin(reading, systemClock, limit)) return await reading;
    } catch (error) {
      const isOfRedis = error instanceof BrokerUnavailableError || !isOurs(error);
      throw isOfRedis ? new FailedError(`Redis (${this.#redis.shown}): ${inWords(error)}`, error) : error;
    }
    throw new FailedError(`Redis (${this.#redis.shown}): no answer within ${limit} ms`);
  }

  #head(): string {
    return this.#watch ? `${this.#redis.shown}  ${new Date().toISOString().slice(11, 19)}\n\n` : '';
  }

  #show(text: string): void {
    const { stdout } = this.#terminal;
    if (!this.#watch || this.#json) stdout.write(text);
    else stdout.write(stdout.isTTY ? CLEAR + text : `${text}\n`);
  }
}

function isOurs(error: unknown): boolean {
  return error instanceof CollectorQueueError || error instanceof InvalidArgumentError;
}

/** What Redis says; or that it says nothing, where the client would speak of its options. */
function inWords(error: unknown): string {
  const { name, message } = asError(error);
  return error instanceof BrokerUnavailableError || name === 'ReplyError' ? message : `no answer (${message})`;
}
