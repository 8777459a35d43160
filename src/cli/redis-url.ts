import { UsageError } from './command.ts';

/** Where Redis is. */
export interface RedisUrl {
  readonly url: string;
  /** The same for a message or a log: without user, password and parameters. */
  readonly shown: string;
}

/** The variable that is read where nothing else says where Redis is. */
export const REDIS_VARIABLE = 'REDIS_URL';

/**
 * What `--redis` says, or else the environment; undefined if neither does.
 *
 * @throws {@link UsageError} for what is no URL of a Redis; the message does not repeat it, it may have a password
 */
export function redisUrlOf(option: string | undefined, env: NodeJS.ProcessEnv): RedisUrl | undefined {
  if (option !== undefined) return readRedisUrl('--redis', option);
  const variable = env[REDIS_VARIABLE];
  return variable === undefined || variable === '' ? undefined : readRedisUrl(REDIS_VARIABLE, variable);
}

export function missingRedis(command: string): UsageError {
  return new UsageError(
    `--redis is missing, and the environment has no ${REDIS_VARIABLE}; see collector-queue ${command} --help`,
  );
}

function readRedisUrl(source: string, text: string): RedisUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const problem = url === undefined ? 'it is no URL' : problemWith(url);
  if (url === undefined || problem !== undefined) {
    throw new UsageError(`${source} must be like redis://user:password@host:6379/0, or rediss:// for TLS: ${problem}`);
  }
  return { url: text, shown: `${url.protocol}//${url.host}${url.pathname}` };
}

/** What follows the host is often the rest of a password that should have been encoded: such a URL names a wrong host. */
function problemWith({ protocol, hostname, pathname, search, hash }: URL): string | undefined {
  if (protocol !== 'redis:' && protocol !== 'rediss:') return `it is a URL of ${protocol}`;
  if (hostname === '') return 'it names no host';
  if (/^\/?\d*$/.test(pathname) && hash === '' && !search.includes('@')) return undefined;
  return 'after the host comes the number of a database, and nothing else; / ? # @ in a password must be percent-encoded';
}
