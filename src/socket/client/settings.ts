import type { ConnectionOptions } from 'node:tls';
import {
  CLOCK_METHODS,
  checkInteger,
  checkMethods,
  checkName,
  checkOneOf,
  checkOptions,
  checkTimer,
  LOGGER_METHODS,
} from '../../core/checks.ts';
import { describe, InvalidArgumentError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { DeadLetterSink } from '../../emitter/index.ts';
import { checkEmitter } from '../../emitter/index.ts';
import { type Clock, systemClock } from '../../schedule/clock.ts';
import { type EventStore, StoreOverflow } from '../../store/index.ts';
import { checkSocketPath, type ListenAddress } from '../listen-address.ts';
import type { SocketEmitterOptions } from './options.ts';

/** The options of an emitter, checked and complete. */
export interface SocketEmitterSettings {
  readonly address: ListenAddress;
  readonly tls: ConnectionOptions | undefined;
  readonly token: string | undefined;
  readonly client: string | undefined;
  readonly bufferCapacity: number;
  readonly overflow: StoreOverflow;
  readonly batchSize: number;
  readonly windowBytes: number;
  readonly storeTimeout: number;
  readonly connectTimeout: number;
  readonly maxRetryDelay: number;
  readonly spill: EventStore | undefined;
  readonly deadLetter: DeadLetterSink | undefined;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
}

export const OWNER = 'SocketEmitter';

const NAMES = [
  'path',
  'host',
  'port',
  'tls',
  'token',
  'client',
  'bufferCapacity',
  'overflow',
  'batchSize',
  'windowBytes',
  'storeTimeout',
  'connectTimeout',
  'maxRetryDelay',
  'spill',
  'deadLetter',
  'logger',
  'clock',
] as const satisfies readonly (keyof SocketEmitterOptions)[];

/** Leaves room for the random part within what the protocol allows. */
const LONGEST_NAME = 150;

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveOptions(options: SocketEmitterOptions): SocketEmitterSettings {
  checkOptions<SocketEmitterOptions>(OWNER, options, NAMES);
  const {
    bufferCapacity = 10_000,
    overflow = StoreOverflow.DROP_NEWEST,
    batchSize = 100,
    windowBytes = 1_048_576,
    storeTimeout = 30_000,
    connectTimeout = 5_000,
    maxRetryDelay = 5_000,
    clock = systemClock,
  } = options;
  const { token, spill, deadLetter, logger } = options;
  if (spill !== undefined) checkMethods(name('spill'), spill, ['add', 'take', 'ack', 'release', 'close']);
  if (logger !== undefined) checkMethods(name('logger'), logger, LOGGER_METHODS);
  if (deadLetter !== undefined && typeof deadLetter !== 'function') checkEmitter(name('deadLetter'), deadLetter);
  return Object.freeze({
    address: resolveAddress(options),
    tls: resolveTls(options),
    token: token === undefined ? undefined : checkName(name('token'), token),
    client: resolveClient(options),
    bufferCapacity: checkInteger(name('bufferCapacity'), bufferCapacity, { min: 1 }),
    overflow: checkOneOf(name('overflow'), overflow, Object.values(StoreOverflow)),
    batchSize: checkInteger(name('batchSize'), batchSize, { min: 1 }),
    windowBytes: checkInteger(name('windowBytes'), windowBytes, { min: 1 }),
    storeTimeout: checkTimer(name('storeTimeout'), storeTimeout, 1),
    connectTimeout: checkTimer(name('connectTimeout'), connectTimeout, 1),
    maxRetryDelay: checkTimer(name('maxRetryDelay'), maxRetryDelay, 0),
    spill,
    deadLetter,
    logger,
    clock: checkMethods(name('clock'), clock, CLOCK_METHODS),
  });
}

function name(option: keyof SocketEmitterOptions): string {
  return `${OWNER}: ${option}`;
}

function resolveAddress({ path, host, port }: SocketEmitterOptions): ListenAddress {
  if (path === undefined) {
    if (host === undefined && port === undefined) {
      throw new InvalidArgumentError(name('path'), 'given, or host and port', 'undefined');
    }
    return {
      type: 'tcp',
      host: checkName(name('host'), host),
      port: checkInteger(name('port'), port, { min: 1, max: 65_535 }),
    };
  }
  if (host !== undefined)
    throw new InvalidArgumentError(name('host'), 'left out where there is a path', describe(host));
  if (port !== undefined)
    throw new InvalidArgumentError(name('port'), 'left out where there is a path', describe(port));
  return { type: 'unix', path: checkSocketPath(name('path'), path) };
}

function resolveTls({ tls = false, path }: SocketEmitterOptions): ConnectionOptions | undefined {
  if (tls === false) return undefined;
  if (tls !== true && (typeof tls !== 'object' || tls === null || Array.isArray(tls))) {
    throw new InvalidArgumentError(name('tls'), 'a boolean, or options of tls.connect', describe(tls));
  }
  if (path !== undefined) throw new InvalidArgumentError(name('tls'), 'left out where there is a path', describe(tls));
  return tls === true ? {} : tls;
}

function resolveClient({ client }: SocketEmitterOptions): string | undefined {
  if (client === undefined) return undefined;
  const { length } = checkName(name('client'), client);
  if (length <= LONGEST_NAME) return client;
  throw new InvalidArgumentError(name('client'), `at most ${LONGEST_NAME} characters`, `${length} characters long`);
}
