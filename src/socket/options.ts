import { join } from 'node:path';
import {
  CLOCK_METHODS,
  checkBoolean,
  checkInteger,
  checkMethods,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimer,
  LOGGER_METHODS,
} from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { HttpEmitterOptions } from '../http/index.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { StoreOverflow } from '../store/index.ts';
import { mostConnections } from './file-descriptors.ts';
import type { SpoolLimits } from './limits.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import type { Certificate } from './spool-server.ts';
import type { SocketSharing } from './unix-socket.ts';

/** How the daemon sends: options of its `HttpEmitter`, which always passes events through. */
export type ForwardOptions = Pick<
  HttpEmitterOptions,
  | 'protocol'
  | 'port'
  | 'batchSize'
  | 'byteLimit'
  | 'requestTimeout'
  | 'maxRetryDelay'
  | 'maxRetryAfter'
  | 'customRetryCodes'
  | 'splitRefused'
  | 'concurrency'
  | 'rateLimit'
  | 'flushInterval'
  | 'headers'
  | 'anonymous'
  | 'compression'
  | 'fetch'
>;

/** Options of a {@link SpoolDaemon}. All durations are milliseconds, all sizes bytes. */
export interface SpoolDaemonOptions {
  /** The folder of the spool; the events and the dead letters are each a database in it. */
  readonly store: string;
  /** Where events are sent: a host or a URL. */
  readonly endpoint: string;
  /** Where clients connect: `unix:/path`, `tcp:host:port`. At least one. */
  readonly listen: readonly string[];
  /**
   * How events are sent.
   * @default batches of 100, 4 requests at once, sent at the latest after 200 ms, tried again after at most 5,000 ms;
   * split where they are refused
   */
  readonly forward?: ForwardOptions | undefined;
  /**
   * The permissions of Unix sockets.
   * @default 0o600
   */
  readonly socketMode?: number | undefined;
  /** The id of the group that Unix sockets belong to. */
  readonly socketGroup?: number | undefined;
  /** What clients over TCP must say in their hello. Needed where other machines can connect. */
  readonly token?: string | undefined;
  /**
   * Lets clients over TCP give the commands of operators although there is no token: list events, redrive dead letters.
   * @default false
   */
  readonly tcpControl?: boolean | undefined;
  /** Speaks TLS over TCP, with this certificate. */
  readonly certificate?: Certificate | undefined;
  /**
   * The most events in the spool.
   * @default 10_000_000
   */
  readonly capacity?: number | undefined;
  /**
   * The most bytes of events in the spool.
   * @default 1_073_741_824, which is 1 GiB
   */
  readonly maxBytes?: number | undefined;
  /**
   * The most dead letters. When there are so many, what is refused stays in the spool, and holds up the rest.
   * @default 1_000_000
   */
  readonly deadLetterCapacity?: number | undefined;
  /**
   * What becomes of events for which there is no room: they are refused, or the oldest are thrown out.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
  /**
   * The longest line of a client.
   * @default 1_048_576
   */
  readonly maxFrame?: number | undefined;
  /**
   * Connections at once. Never so many that the spool has no file descriptors left.
   * @default 1_000, or what the limit of the process allows
   */
  readonly maxConnections?: number | undefined;
  /**
   * Lines of one connection that are read and not answered; the rest is read later.
   * @default 4_194_304
   */
  readonly maxConnectionBytes?: number | undefined;
  /**
   * The same of all connections; who exceeds it is refused.
   * @default 67_108_864
   */
  readonly maxTotalBytes?: number | undefined;
  /**
   * How long a line may take to come.
   * @default 10_000
   */
  readonly frameTimeout?: number | undefined;
  /**
   * How long a connection may be silent.
   * @default 300_000
   */
  readonly idleTimeout?: number | undefined;
  /**
   * How often clients are asked to let hear from them.
   * @default 10_000
   */
  readonly heartbeat?: number | undefined;
  /**
   * How long a client is remembered that is not heard of.
   * @default 604_800_000, a week
   */
  readonly clientTtl?: number | undefined;
  /** Told of what goes on, never of events. */
  readonly logger?: Logger | undefined;
  /**
   * @default the machine's
   */
  readonly clock?: Clock | undefined;
}

/** The options of a daemon, checked and complete. */
export interface SpoolDaemonSettings {
  readonly eventsPath: string;
  readonly deadLettersPath: string;
  readonly endpoint: string;
  readonly addresses: readonly ListenAddress[];
  readonly forward: ForwardOptions;
  readonly sharing: SocketSharing;
  readonly token: string | undefined;
  readonly tcpControl: boolean;
  readonly certificate: Certificate | undefined;
  readonly capacity: number;
  readonly maxBytes: number;
  readonly deadLetterCapacity: number;
  readonly overflow: StoreOverflow;
  readonly limits: SpoolLimits;
  readonly clientTtl: number;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
}

const OWNER = 'SpoolDaemon';

const NAMES = [
  'store',
  'endpoint',
  'listen',
  'forward',
  'socketMode',
  'socketGroup',
  'token',
  'tcpControl',
  'certificate',
  'capacity',
  'maxBytes',
  'deadLetterCapacity',
  'overflow',
  'maxFrame',
  'maxConnections',
  'maxConnectionBytes',
  'maxTotalBytes',
  'frameTimeout',
  'idleTimeout',
  'heartbeat',
  'clientTtl',
  'logger',
  'clock',
] as const satisfies readonly (keyof SpoolDaemonOptions)[];

/** What a spool wants of its emitter, where the user says nothing else. */
const FORWARD: ForwardOptions = {
  batchSize: 100,
  concurrency: 4,
  flushInterval: 200,
  maxRetryDelay: 5_000,
  splitRefused: true,
};

const WEEK = 7 * 24 * 60 * 60_000;

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveDaemonOptions(options: SpoolDaemonOptions): SpoolDaemonSettings {
  checkOptions<SpoolDaemonOptions>(OWNER, options, NAMES);
  const { overflow = StoreOverflow.DROP_NEWEST, clientTtl = WEEK, tcpControl = false, clock = systemClock } = options;
  const { capacity = 10_000_000, maxBytes = 2 ** 30, deadLetterCapacity = 1_000_000, logger } = options;
  const store = checkName(name('store'), options.store);
  if (logger !== undefined) checkMethods(name('logger'), logger, LOGGER_METHODS);
  return Object.freeze({
    eventsPath: join(store, 'events'),
    deadLettersPath: join(store, 'dead-letters'),
    endpoint: checkName(name('endpoint'), options.endpoint),
    addresses: resolveListen(options.listen),
    forward: resolveForward(options.forward),
    sharing: resolveSharing(options),
    token: options.token === undefined ? undefined : checkName(name('token'), options.token),
    tcpControl: checkBoolean(name('tcpControl'), tcpControl),
    certificate: resolveCertificate(options.certificate),
    capacity: checkInteger(name('capacity'), capacity, { min: 1 }),
    maxBytes: checkInteger(name('maxBytes'), maxBytes, { min: 1 }),
    deadLetterCapacity: checkInteger(name('deadLetterCapacity'), deadLetterCapacity, { min: 1 }),
    overflow: checkOneOf(name('overflow'), overflow, Object.values(StoreOverflow)),
    limits: resolveLimits(options),
    clientTtl: checkInteger(name('clientTtl'), clientTtl, { min: 1 }),
    logger,
    clock: checkMethods(name('clock'), clock, CLOCK_METHODS),
  });
}

function name(option: keyof SpoolDaemonOptions): string {
  return `${OWNER}: ${option}`;
}

/** What is `undefined` was not given. The rest is checked by the emitter. */
export function resolveForward(forward: ForwardOptions = {}): ForwardOptions {
  checkOptions(name('forward'), forward, FORWARD_NAMES);
  const given = Object.entries(forward).filter(([, value]) => value !== undefined);
  return { ...FORWARD, ...Object.fromEntries(given) };
}

const FORWARD_NAMES = [
  'protocol',
  'port',
  'batchSize',
  'byteLimit',
  'requestTimeout',
  'maxRetryDelay',
  'maxRetryAfter',
  'customRetryCodes',
  'splitRefused',
  'concurrency',
  'rateLimit',
  'flushInterval',
  'headers',
  'anonymous',
  'compression',
  'fetch',
] as const satisfies readonly (keyof ForwardOptions)[];

function resolveListen(listen: unknown): readonly ListenAddress[] {
  if (!Array.isArray(listen) || listen.length === 0) {
    throw new InvalidArgumentError(name('listen'), 'an array of at least one address', describe(listen));
  }
  return listen.map((address, at) => parseListenAddress(`${name('listen')}[${at}]`, address));
}

function resolveSharing({ socketMode = 0o600, socketGroup }: SpoolDaemonOptions): SocketSharing {
  return {
    mode: checkInteger(name('socketMode'), socketMode, { min: 0, max: 0o777 }),
    group: socketGroup === undefined ? undefined : checkInteger(name('socketGroup'), socketGroup, { min: 0 }),
  };
}

function resolveCertificate(certificate: Certificate | undefined): Certificate | undefined {
  if (certificate === undefined) return undefined;
  const { key, cert } = checkOptions<Certificate>(name('certificate'), certificate, ['key', 'cert']);
  for (const [part, value] of Object.entries({ key, cert })) {
    if (typeof value === 'string' || Buffer.isBuffer(value)) continue;
    throw new InvalidArgumentError(`${name('certificate')}.${part}`, 'a string or a Buffer of PEM', describe(value));
  }
  return { key, cert };
}

function resolveLimits(options: SpoolDaemonOptions): SpoolLimits {
  const { maxFrame = 2 ** 20, maxConnectionBytes = 2 ** 22, maxTotalBytes = 2 ** 26 } = options;
  const { frameTimeout = 10_000, idleTimeout = 300_000, heartbeat = 10_000 } = options;
  return {
    maxFrame: checkInteger(name('maxFrame'), maxFrame, { min: 64, max: 2 ** 28 }),
    maxConnections: resolveConnections(options.maxConnections),
    maxConnectionBytes: checkInteger(name('maxConnectionBytes'), maxConnectionBytes, { min: 1 }),
    maxTotalBytes: checkInteger(name('maxTotalBytes'), maxTotalBytes, { min: 1 }),
    frameTimeout: checkTimer(name('frameTimeout'), frameTimeout, 1),
    idleTimeout: checkTimer(name('idleTimeout'), idleTimeout, 1),
    heartbeat: checkTimer(name('heartbeat'), heartbeat, 1),
  };
}

/** The spool's own files come first: a store that cannot open one stops. */
function resolveConnections(wanted: number | undefined): number {
  const most = mostConnections();
  if (wanted === undefined) return Math.min(1_000, most);
  const checked = checkInteger(name('maxConnections'), wanted, { min: 1 });
  if (checked <= most) return checked;
  throw new InvalidArgumentError(
    name('maxConnections'),
    `at most ${most}, because of the limit of open files of this process (ulimit -n)`,
    String(checked),
  );
}
