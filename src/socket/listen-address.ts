import { isIP } from 'node:net';
import { checkInteger, checkName } from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';

/** Where the daemon listens, and a client connects. */
export type ListenAddress =
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number };

/** The longest path of a Unix socket: what the kernel's address holds, less its end (unix(7)); on other systems it is less. */
const LONGEST_PATH = 107;

/**
 * Reads `unix:/path`, `tcp:host:port` or `tcp:[host]:port`. A port of 0 is any free one.
 *
 * @throws {@link InvalidArgumentError} for anything else.
 */
export function parseListenAddress(name: string, text: string): ListenAddress {
  checkName(name, text);
  if (text.startsWith('unix:')) return { type: 'unix', path: checkSocketPath(name, text.slice(5)) };
  const [, bracketed, plain, port] = /^tcp:(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  if (port === undefined) {
    throw new InvalidArgumentError(name, 'unix:/path/of.sock or tcp:host:port', describe(text));
  }
  return {
    type: 'tcp',
    host: (bracketed ?? plain) as string,
    port: checkInteger(name, Number(port), { min: 0, max: 65_535 }),
  };
}

/** @throws {@link InvalidArgumentError} for what the system has no room for. */
export function checkSocketPath(name: string, path: string): string {
  checkName(name, path);
  const length = Buffer.byteLength(path);
  if (length <= LONGEST_PATH) return path;
  throw new InvalidArgumentError(name, `a path of at most ${LONGEST_PATH} bytes`, `${length} bytes long`);
}

/** Whether only processes of this machine can reach it. */
export function isLocal(address: ListenAddress): boolean {
  if (address.type === 'unix') return true;
  const { host } = address;
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

export function nameOf(address: ListenAddress): string {
  if (address.type === 'unix') return `unix:${address.path}`;
  return isIP(address.host) === 6 ? `tcp:[${address.host}]:${address.port}` : `tcp:${address.host}:${address.port}`;
}
