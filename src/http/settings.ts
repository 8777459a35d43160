import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkOptions,
  checkTimer,
} from '../core/checks.ts';
import { describe, describeThrown, InvalidArgumentError } from '../core/errors.ts';
import { BATCH_OPTIONS, type BatchSettings, resolveBatchOptions } from '../emitter/index.ts';
import type { Codec } from './codec.ts';
import type { Delivered, FailedStatus } from './delivered.ts';
import type { HttpEmitterOptions, RateLimit } from './options.ts';
import { snowplow } from './snowplow.ts';
import { METHODS, type Method, Urls } from './urls.ts';

/** The options of an emitter, checked and complete. */
export interface HttpEmitterSettings extends BatchSettings<Delivered, FailedStatus> {
  readonly urls: Urls;
  readonly method: Method;
  readonly maxRetryAfter: number;
  readonly retryCodes: ReadonlyMap<number, boolean>;
  readonly splitRefused: boolean;
  readonly rateLimit: RateLimit | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly codec: Codec;
  readonly gzipAbove: number;
  readonly fetch: typeof fetch;
}

const OWNER = 'HttpEmitter';

const NAMES = [
  'protocol',
  'port',
  'method',
  'maxRetryAfter',
  'customRetryCodes',
  'splitRefused',
  'rateLimit',
  'headers',
  'anonymous',
  'codec',
  'compression',
  'fetch',
  ...BATCH_OPTIONS,
] as const satisfies readonly (keyof HttpEmitterOptions)[];

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveOptions(endpoint: string, options: HttpEmitterOptions): HttpEmitterSettings {
  checkOptions<HttpEmitterOptions>(OWNER, options, NAMES);
  const { maxRetryAfter = 3_600_000, splitRefused = false, fetch = globalThis.fetch } = options;
  const method = checkOneOf(name('method'), options.method === undefined ? 'post' : options.method, METHODS);
  const codec = resolveCodec(options, method);
  const shared = resolveBatchOptions<Delivered, FailedStatus>(OWNER, options, {
    batchSize: method === 'get' ? 1 : 10,
    flushInterval: 1_000,
  });
  const warnings = [...shared.warnings];
  checkFunction(name('fetch'), fetch);
  return Object.freeze({
    ...shared,
    urls: new Urls(OWNER, endpoint, options, codec),
    method,
    maxRetryAfter: checkTimer(name('maxRetryAfter'), maxRetryAfter, 0),
    retryCodes: resolveRetryCodes(options, warnings),
    splitRefused: checkBoolean(name('splitRefused'), splitRefused),
    rateLimit: resolveRateLimit(options),
    headers: resolveHeaders(options, codec, method),
    codec,
    gzipAbove: resolveCompression(options),
    fetch,
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
