import { readFileSync } from 'node:fs';
import { describe, describeThrown } from '../core/errors.ts';
import type { ForwardOptions, SpoolDaemonOptions } from '../socket/index.ts';
import { readArgs, readNumber, UsageError } from './command.ts';
import { groupId } from './groups.ts';
import type { LogFormat } from './log.ts';

/** What the command line and the configuration file come to. */
export interface DaemonConfig {
  readonly options: SpoolDaemonOptions;
  /** Where `/health` and `/metrics` are; undefined for nowhere. */
  readonly healthPort: number | undefined;
  /** Milliseconds. */
  readonly shutdownTimeout: number;
  readonly log: LogFormat | undefined;
}

/** A setting: its name in the file, the flag, how the flag's text is read, or what the flag means that has none. */
interface Setting {
  readonly name: string;
  readonly flag: string;
  readonly read?: (text: string, flag: string) => unknown;
  readonly means?: boolean;
  readonly forward?: boolean;
}

const text = (value: string): string => value;
const number = (value: string, flag: string): number => readNumber(flag, value) as number;
const bytes = (value: string, flag: string): number => readBytes(flag, value);

const SETTINGS: readonly Setting[] = [
  { name: 'store', flag: 'store', read: text },
  { name: 'endpoint', flag: 'endpoint', read: text },
  { name: 'socketMode', flag: 'socket-mode', read: (value) => readMode(value) },
  { name: 'socketGroup', flag: 'socket-group', read: (value) => groupId(value) },
  { name: 'tokenEnv', flag: 'token-env', read: text },
  { name: 'tcpControl', flag: 'tcp-control', means: true },
  { name: 'tlsCert', flag: 'tls-cert', read: text },
  { name: 'tlsKey', flag: 'tls-key', read: text },
  { name: 'capacity', flag: 'capacity', read: number },
  { name: 'maxBytes', flag: 'max-bytes', read: bytes },
  { name: 'deadLetterCapacity', flag: 'dead-letter-capacity', read: number },
  { name: 'overflow', flag: 'overflow', read: text },
  { name: 'maxFrame', flag: 'max-frame', read: bytes },
  { name: 'maxConnections', flag: 'max-connections', read: number },
  { name: 'maxConnectionBytes', flag: 'max-connection-bytes', read: bytes },
  { name: 'maxTotalBytes', flag: 'max-total-bytes', read: bytes },
  { name: 'frameTimeout', flag: 'frame-timeout', read: number },
  { name: 'idleTimeout', flag: 'idle-timeout', read: number },
  { name: 'heartbeat', flag: 'heartbeat', read: number },
  { name: 'clientTtl', flag: 'client-ttl', read: number },
  { name: 'batchSize', flag: 'batch-size', read: number, forward: true },
  { name: 'byteLimit', flag: 'byte-limit', read: bytes, forward: true },
  { name: 'concurrency', flag: 'concurrency', read: number, forward: true },
  { name: 'flushInterval', flag: 'flush-interval', read: number, forward: true },
  { name: 'requestTimeout', flag: 'request-timeout', read: number, forward: true },
  { name: 'maxRetryDelay', flag: 'max-retry-delay', read: number, forward: true },
  { name: 'maxRetryAfter', flag: 'max-retry-after', read: number, forward: true },
  { name: 'splitRefused', flag: 'no-split-refused', means: false, forward: true },
  { name: 'healthPort', flag: 'health-port', read: number },
  { name: 'shutdownTimeout', flag: 'shutdown-timeout', read: number },
  { name: 'log', flag: 'log', read: text },
];

/** Only in the file: what a flag could hardly say. */
const FILE_ONLY = ['listen', 'headers', 'customRetryCodes', 'rateLimit', 'compression', 'anonymous'] as const;
const FORWARD_FILE_ONLY: readonly string[] = ['headers', 'customRetryCodes', 'rateLimit', 'compression', 'anonymous'];

/** Reads the command line, and the file that it names. What the command line says wins. */
export function readDaemonConfig(args: readonly string[], env: NodeJS.ProcessEnv): DaemonConfig {
  const flags = Object.fromEntries(
    SETTINGS.map(({ flag, means }) => [
      flag,
      { type: means === undefined ? ('string' as const) : ('boolean' as const) },
    ]),
  );
  const { values } = readArgs('daemon', args, {
    ...flags,
    listen: { type: 'string', multiple: true },
    config: { type: 'string' },
  });
  const given = values as Readonly<Record<string, string | boolean | undefined>>;
  const all: Record<string, unknown> = values.config === undefined ? {} : readFile(values.config);
  for (const { name, flag, read, means } of SETTINGS) {
    // A text of the file is what the flag would be: '660', '1G', the name of a group.
    const value = given[flag] ?? all[name];
    if (given[flag] === true) all[name] = means;
    else if (typeof value === 'string' && read !== undefined) all[name] = read(value, flag);
  }
  if (values.listen !== undefined) all.listen = values.listen;
  const missing = ['listen', 'store', 'endpoint']
    .filter((needed) => all[needed] === undefined)
    .map((one) => `--${one}`);
  if (missing.length > 0) {
    const [last, ...others] = missing.reverse();
    const list = others.length === 0 ? `${last} is` : `${others.reverse().join(', ')} and ${last} are`;
    throw new UsageError(`${list} missing; see collector-queue daemon --help`);
  }
  return toConfig(all, env);
}

function toConfig(all: Readonly<Record<string, unknown>>, env: NodeJS.ProcessEnv): DaemonConfig {
  const { healthPort, shutdownTimeout = 10_000, log, tokenEnv, tlsCert, tlsKey, ...rest } = all;
  const isForward = (name: string): boolean =>
    FORWARD_FILE_ONLY.includes(name) || SETTINGS.some((setting) => setting.name === name && setting.forward === true);
  const entries = Object.entries(rest);
  const forward = Object.fromEntries(entries.filter(([name]) => isForward(name))) as ForwardOptions;
  const others = Object.fromEntries(entries.filter(([name]) => !isForward(name)));
  if (log !== undefined && log !== 'text' && log !== 'json') {
    throw new UsageError(`--log must be text or json, but it is ${describe(log)}`);
  }
  return {
    options: {
      ...(others as unknown as SpoolDaemonOptions),
      forward,
      ...(tokenEnv === undefined ? {} : { token: readToken(String(tokenEnv), env) }),
      ...(tlsCert === undefined && tlsKey === undefined ? {} : { certificate: readCertificate(tlsCert, tlsKey) }),
    },
    healthPort: healthPort === undefined ? undefined : checkWhole('health-port', healthPort, 65_535),
    shutdownTimeout: checkWhole('shutdown-timeout', shutdownTimeout, 2 ** 31 - 1),
    log,
  };
}

function readFile(path: string): Record<string, unknown> {
  let config: unknown;
  try {
    config = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--config ${path} cannot be read: ${describeThrown(error)}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new UsageError(`--config ${path} must hold an object`);
  }
  const known: readonly string[] = [...SETTINGS.map(({ name }) => name), ...FILE_ONLY];
  const unknown = Object.keys(config).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--config ${path}: there is no setting '${unknown}'; there are ${known.join(', ')}`);
  }
  return config as Record<string, unknown>;
}

function readToken(variable: string, env: NodeJS.ProcessEnv): string {
  const token = env[variable];
  if (token !== undefined && token !== '') return token;
  throw new UsageError(`--token-env: the environment has no ${variable}, or an empty one`);
}

function readCertificate(cert: unknown, key: unknown): { cert: Buffer; key: Buffer } {
  if (typeof cert !== 'string' || typeof key !== 'string') throw new UsageError('--tls-cert and --tls-key go together');
  return { cert: readPem('tls-cert', cert), key: readPem('tls-key', key) };
}

function readPem(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(`--${flag} ${path} cannot be read: ${describeThrown(error)}`);
  }
}

function checkWhole(flag: string, value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new UsageError(`--${flag} must be a whole number from 0 to ${max}, but it is ${describe(value)}`);
}

/** As chmod takes it: `660`, `0660`. */
function readMode(mode: string): number {
  if (/^0?[0-7]{3}$/.test(mode)) return Number.parseInt(mode, 8);
  throw new UsageError(`--socket-mode must be three octal digits, such as 660, but it is '${mode}'`);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `1048576`, `1024k`, `1M`. */
function readBytes(flag: string, size: string): number {
  const [, digits, unit = ''] = /^(\d+)([kmg]?)$/i.exec(size) ?? [];
  if (digits !== undefined) return Number(digits) * (UNITS[unit.toLowerCase()] as number);
  throw new UsageError(`--${flag} must be a number of bytes, with k, M or G if you like, but it is '${size}'`);
}
