import { checkInteger, checkName, checkOneOf } from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { Codec } from './codec.ts';

/** How requests are made. */
export type Method = 'post' | 'get';
export const METHODS: readonly Method[] = ['post', 'get'];

export type Protocol = 'https' | 'http';
const PROTOCOLS: readonly Protocol[] = ['https', 'http'];

/** A URL does not tell the usual port of its protocol from none. */
const NAMES_PORT = /^([a-z]+:\/\/)?[^/?#]*:\d+([/?#]|$)/i;

interface Address {
  readonly protocol?: Protocol | undefined;
  readonly port?: number | undefined;
}

/**
 * Where requests go. The endpoint is a host name, or a URL; what it says itself (protocol, port) wins over the options, and
 * slashes at its end do not count.
 */
export class Urls {
  /** Of a POST. */
  readonly post: string;
  readonly #get: URL;

  /** @throws {@link InvalidArgumentError} for what makes no address. */
  constructor(owner: string, endpoint: string, address: Address, { path, queryPath = '' }: Codec) {
    const base = baseOf(owner, endpoint, address);
    this.post = withPath(base, path).href;
    this.#get = withPath(base, queryPath);
  }

  /** Of a GET with this query. */
  get(query: string): string {
    const { search } = this.#get;
    const url = search === '' ? this.#get.href : this.#get.href.slice(0, -search.length);
    return `${url}${search === '' ? '?' : `${search}&`}${query}`;
  }
}

function baseOf(owner: string, endpoint: string, { protocol = 'https', port }: Address): URL {
  const name = `${owner}: endpoint`;
  checkName(name, endpoint);
  const url = parse(name, endpoint, checkOneOf(`${owner}: protocol`, protocol, PROTOCOLS));
  if (port !== undefined) {
    const checked = checkInteger(`${owner}: port`, port, { min: 1, max: 65_535 });
    if (!NAMES_PORT.test(endpoint)) url.port = String(checked);
  }
  // The platform's fetch refuses them, at each request.
  if (url.username !== '' || url.password !== '') {
    throw new InvalidArgumentError(name, 'free of credentials (send them as headers)', 'a URL with some');
  }
  if (url.hash !== '') throw new InvalidArgumentError(name, 'a URL without a fragment', describe(endpoint));
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

function parse(name: string, endpoint: string, protocol: Protocol): URL {
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(endpoint) ? endpoint : `${protocol}://${endpoint}`;
  // A URL forgives slashes too many, and would take what comes after them for the host.
  const url = !/^[^/]+:\/\/[/\\]/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && PROTOCOLS.some((known) => url.protocol === `${known}:`)) return url;
  throw new InvalidArgumentError(name, 'the name of a host, or a URL with http or https', describe(endpoint));
}

function withPath(base: URL, path: string): URL {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  return url;
}
