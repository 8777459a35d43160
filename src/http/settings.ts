import {
  CLOCK_METHODS,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkOptions,
  checkTimer,
  LOGGER_METHODS,
} from '../core/checks.ts';
import { describe, describeThrown, InvalidArgumentError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { checkEmitter, type DeadLetterSink } from '../emitter/index.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { type EventStore, StoreOverflow } from '../store/index.ts';
import type { Codec } from './codec.ts';
import type { HttpEmitterOptions, RateLimit } from './options.ts';
import { snowplow } from './snowplow.ts';
import { METHODS, type Method, Urls } from './urls.ts';

/** The options of an emitter, checked and complete. */
export interface HttpEmitterSettings {
  readonly urls: Urls;
  readonly method: Method;
  readonly batchSize: number;
  readonly byteLimit: number;
  readonly requestTimeout: number;
  readonly maxRetryDelay: number;
  readonly maxRetryAfter: number;
  readonly bufferCapacity: number;
  readonly retryCodes: ReadonlyMap<number, boolean>;
  readonly splitRefused: boolean;
  readonly eventStore: EventStore | undefined;
  readonly onSuccess: HttpEmitterOptions['onSuccess'];
  readonly onFailure: HttpEmitterOptions['onFailure'];
  readonly concurrency: number;
  readonly rateLimit: RateLimit | undefined;
  readonly flushInterval: number | false;
  readonly headers: Readonly<Record<string, string>>;
  readonly codec: Codec;
  readonly overflow: StoreOverflow;
  readonly gzipAbove: number;
  readonly fetch: typeof fetch;
  readonly logger: Logger | undefined;
  readonly deadLetter: DeadLetterSink | undefined;
  readonly clock: Clock;
  /** What was done otherwise than asked, in words. */
  readonly warnings: readonly string[];
}

const OWNER = 'HttpEmitter';

const NAMES = [
  'protocol',
  'port',
  'method',
  'batchSize',
  'byteLimit',
  'requestTimeout',
  'maxRetryDelay',
  'maxRetryAfter',
  'bufferCapacity',
  'customRetryCodes',
  'splitRefused',
  'eventStore',
  'onSuccess',
  'onFailure',
  'concurrency',
  'rateLimit',
  'flushInterval',
  'headers',
  'anonymous',
  'codec',
  'overflow',
  'compression',
  'fetch',
  'logger',
  'deadLetter',
  'clock',
] as const satisfies readonly (keyof HttpEmitterOptions)[];

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveOptions(endpoint: string, options: HttpEmitterOptions): HttpEmitterSettings {
  checkOptions<HttpEmitterOptions>(OWNER, options, NAMES);
  const {
    requestTimeout = 30_000,
    maxRetryDelay = 60_000,
    maxRetryAfter = 3_600_000,
    byteLimit = Number.POSITIVE_INFINITY,
    concurrency = 1,
    splitRefused = false,
    clock = systemClock,
    fetch = globalThis.fetch,
  } = options;
  const { eventStore, onSuccess, onFailure, logger, deadLetter } = options;
  const method = checkOneOf(name('method'), options.method === undefined ? 'post' : options.method, METHODS);
  const codec = resolveCodec(options, method);
  const bufferCapacity = resolveCapacity(options);
  const warnings: string[] = [];
  if (onSuccess !== undefined) checkFunction(name('onSuccess'), onSuccess);
  if (onFailure !== undefined) checkFunction(name('onFailure'), onFailure);
  if (logger !== undefined) checkMethods(name('logger'), logger, LOGGER_METHODS);
  if (deadLetter !== undefined && typeof deadLetter !== 'function') checkEmitter(name('deadLetter'), deadLetter);
  checkFunction(name('fetch'), fetch);
  return Object.freeze({
    urls: new Urls(OWNER, endpoint, options, codec),
    method,
    batchSize: resolveBatchSize(options, method, bufferCapacity, warnings),
    byteLimit: checkInteger(name('byteLimit'), byteLimit, { min: 1, infinite: true }),
    requestTimeout: checkTimer(name('requestTimeout'), requestTimeout, 1),
    maxRetryDelay: checkTimer(name('maxRetryDelay'), maxRetryDelay, 0),
    maxRetryAfter: checkTimer(name('maxRetryAfter'), maxRetryAfter, 0),
    bufferCapacity,
    retryCodes: resolveRetryCodes(options, warnings),
    splitRefused: checkBoolean(name('splitRefused'), splitRefused),
    eventStore,
    onSuccess,
    onFailure,
    concurrency: checkInteger(name('concurrency'), concurrency, { min: 1 }),
    rateLimit: resolveRateLimit(options),
    flushInterval: resolveFlushInterval(options),
    headers: resolveHeaders(options, codec, method),
    codec,
    overflow: resolveOverflow(options),
    gzipAbove: resolveCompression(options),
    fetch,
    logger,
    deadLetter,
    clock: checkMethods(name('clock'), clock, CLOCK_METHODS),
    warnings,
  });
}

function name(option: keyof HttpEmitterOptions): string {
  return `${OWNER}: ${option}`;
}

function resolveCodec({ codec = snowplow() }: HttpEmitterOptions, method: Method): Codec {
  checkMethods(name('codec'), codec, ['snapshot', 'encode']);
  for (const part of ['contentType', 'path', 'opening', 'separator', 'closing'] as const) {
    if (typeof codec[part] === 'string') continue;
    throw new InvalidArgumentError(`${name('codec')}.${part}`, 'a string', describe(codec[part]));
  }
  if (method === 'get' && typeof codec.query !== 'function') {
    throw new InvalidArgumentError(name('codec'), "one with a query, because method is 'get'", 'one without');
  }
  return codec;
}

/** An event store has its own; then this is what may wait for it. */
function resolveCapacity({ eventStore, bufferCapacity = 10_000 }: HttpEmitterOptions): number {
  if (eventStore !== undefined) {
    checkMethods(name('eventStore'), eventStore, ['add', 'take', 'ack', 'release', 'close']);
  }
  return checkInteger(name('bufferCapacity'), bufferCapacity, { min: 1 });
}

function resolveBatchSize(
  { batchSize, eventStore }: HttpEmitterOptions,
  method: Method,
  bufferCapacity: number,
  warnings: string[],
): number {
  const usual = method === 'get' ? 1 : 10;
  const wanted = batchSize === undefined ? usual : checkInteger(name('batchSize'), batchSize, { min: 1 });
  const capacity = eventStore === undefined ? bufferCapacity : (eventStore.capacity ?? wanted);
  if (wanted <= capacity) return wanted;
  if (batchSize !== undefined)
    warnings.push(`batchSize ${wanted} is more than the buffer can hold: it is ${capacity} now`);
  return capacity;
}

function resolveRetryCodes(
  { customRetryCodes = {} }: HttpEmitterOptions,
  warnings: string[],
): ReadonlyMap<number, boolean> {
  if (typeof customRetryCodes !== 'object' || customRetryCodes === null) {
    throw new InvalidArgumentError(name('customRetryCodes'), 'an object', describe(customRetryCodes));
  }
  const codes = new Map<number, boolean>();
  for (const [key, retry] of Object.entries(customRetryCodes)) {
    const code = checkInteger(`${name('customRetryCodes')}: the status '${key}'`, Number(key), { min: 100, max: 599 });
    if (code >= 200 && code <= 299) warnings.push(`customRetryCodes: ${code} is a success, and stays one`);
    else codes.set(code, checkBoolean(`${name('customRetryCodes')}[${code}]`, retry));
  }
  return codes;
}

function resolveRateLimit({ rateLimit }: HttpEmitterOptions): RateLimit | undefined {
  if (rateLimit === undefined) return undefined;
  const { requests, interval } = checkOptions<RateLimit>(name('rateLimit'), rateLimit, ['requests', 'interval']);
  return {
    requests: checkInteger(`${name('rateLimit')}.requests`, requests, { min: 1 }),
    interval: checkTimer(`${name('rateLimit')}.interval`, interval, 1),
  };
}

function resolveFlushInterval({ flushInterval = 1_000 }: HttpEmitterOptions): number | false {
  return flushInterval === false ? false : checkTimer(name('flushInterval'), flushInterval, 1);
}

function resolveOverflow({ overflow, eventStore }: HttpEmitterOptions): StoreOverflow {
  if (overflow === undefined) return StoreOverflow.DROP_NEWEST;
  if (eventStore !== undefined) {
    throw new InvalidArgumentError(name('overflow'), 'left to the eventStore that is given', describe(overflow));
  }
  return checkOneOf(name('overflow'), overflow, Object.values(StoreOverflow));
}

function resolveCompression({ compression }: HttpEmitterOptions): number {
  if (compression === undefined) return Number.POSITIVE_INFINITY;
  const { gzipAbove } = checkOptions<{ gzipAbove: number }>(name('compression'), compression, ['gzipAbove']);
  return checkInteger(`${name('compression')}.gzipAbove`, gzipAbove, { min: 0 });
}

/** What belongs to the connection: with one of these the platform's fetch fails at each request, or never ends. */
const NOT_OURS = ['content-length', 'transfer-encoding', 'keep-alive', 'expect', 'upgrade'] as const;

/** Names in lower case, so that what the user gives replaces what the wire format says. */
function resolveHeaders(options: HttpEmitterOptions, { contentType }: Codec, method: Method): Record<string, string> {
  const { headers = {}, anonymous = false } = options;
  try {
    if (typeof headers !== 'object' || headers === null)
      throw new InvalidArgumentError(name('headers'), 'an object', describe(headers));
    const all = new Headers(method === 'post' ? { 'content-type': contentType } : {});
    // https://docs.snowplow.io/docs/pipeline/collector/: no address, no cookie.
    if (checkBoolean(name('anonymous'), anonymous)) all.set('SP-Anonymous', '*');
    for (const [header, value] of Object.entries(headers)) {
      if (typeof value !== 'string') throw new InvalidArgumentError(name('headers'), 'strings', describe(value));
      all.set(header, value);
    }
    const wrong = NOT_OURS.find((header) => all.has(header));
    if (wrong === undefined) return Object.fromEntries(all);
    throw new InvalidArgumentError(name('headers'), `without ${wrong}, which is for the platform to set`, 'given one');
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw thrown;
    throw new InvalidArgumentError(name('headers'), 'names and values of HTTP headers', describeThrown(thrown));
  }
}
