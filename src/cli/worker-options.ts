import type { BullMQQueueOptions, ConcurrencyRange } from '../bullmq/index.ts';
import { readArgs, readWhole, UsageError } from './command.ts';
import type { LogFormat } from './log.ts';
import { type RedisUrl, redisUrlOf } from './redis-url.ts';

const OPTIONS = {
  redis: { type: 'string' },
  prefix: { type: 'string' },
  name: { type: 'string' },
  concurrency: { type: 'string' },
  'secret-env': { type: 'string', multiple: true },
  'connect-timeout': { type: 'string' },
  'shutdown-timeout': { type: 'string' },
  log: { type: 'string' },
} as const;

/** What the command line and the environment come to. */
export interface WorkerConfig {
  /** As it was given. */
  readonly module: string;
  /** Whether the command line says where Redis is, rather than the environment. */
  readonly namesRedis: boolean;
  readonly redis: RedisUrl | undefined;
  /** What else the command line says about the queue. */
  readonly queue: Partial<BullMQQueueOptions>;
  /** Milliseconds. */
  readonly shutdownTimeout: number;
  /** Undefined: as suits where it is written. */
  readonly log: LogFormat | undefined;
}

const LONGEST = 2 ** 31 - 1;

/** @throws {@link UsageError} */
export function readWorkerConfig(args: readonly string[], env: NodeJS.ProcessEnv): WorkerConfig {
  const { values, positionals } = readArgs('worker', args, OPTIONS, true);
  const [module, ...others] = positionals;
  if (module === undefined || others.length > 0) {
    throw new UsageError('worker needs one module with collectors; see collector-queue worker --help');
  }
  const { redis, prefix, name, concurrency, 'secret-env': variables } = values;
  const connectTimeout = readWhole('connect-timeout', values['connect-timeout'], { min: 1, max: LONGEST });
  return {
    module,
    namesRedis: redis !== undefined,
    redis: redisUrlOf(redis, env),
    queue: {
      ...(prefix === undefined ? {} : { prefix }),
      ...(name === undefined ? {} : { name }),
      ...(concurrency === undefined ? {} : { concurrency: readConcurrency(concurrency) }),
      ...(variables === undefined ? {} : { secret: readSecrets(variables, env) }),
      ...(connectTimeout === undefined ? {} : { connectTimeout }),
    },
    shutdownTimeout: readWhole('shutdown-timeout', values['shutdown-timeout'], { min: 0, max: LONGEST }) ?? 10_000,
    log: readLog(values.log),
  };
}

/** `20`, or `1..100`. */
function readConcurrency(text: string): number | ConcurrencyRange {
  const [, first, second] = /^(\d{1,6})(?:\.\.(\d{1,6}))?$/.exec(text) ?? [];
  const [min, max] = [Number(first), Number(second ?? first)];
  if (first !== undefined && min >= 1 && max >= min && max <= 100_000) return second === undefined ? min : { min, max };
  throw new UsageError(`--concurrency must be a whole number, or two as 1..100, from 1 to 100000, but it is '${text}'`);
}

const FEWEST_BYTES = 32;

/** One, or two while they are changed: the first signs. */
function readSecrets(variables: readonly string[], env: NodeJS.ProcessEnv): string[] {
  if (variables.length > 2)
    throw new UsageError('--secret-env can be given twice at most: the new secret, then the old');
  return variables.map((variable) => {
    const secret = env[variable] ?? '';
    if (secret === '') throw new UsageError(`--secret-env: the environment has no ${variable}, or an empty one`);
    const bytes = Buffer.byteLength(secret);
    if (bytes >= FEWEST_BYTES) return secret;
    throw new UsageError(
      `--secret-env: ${variable} must have at least ${FEWEST_BYTES} bytes, but it has ${bytes}: openssl rand -base64 32`,
    );
  });
}

function readLog(log: string | undefined): LogFormat | undefined {
  if (log === undefined || log === 'auto') return undefined;
  if (log === 'text' || log === 'json') return log;
  throw new UsageError(`--log must be auto, text or json, but it is '${log}'`);
}
