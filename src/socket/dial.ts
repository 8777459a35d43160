import { connect as connectSocket, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { describeThrown } from '../core/errors.ts';
import { type ListenAddress, nameOf } from './listen-address.ts';

/** Where a daemon is, and whether it is to be spoken to by TLS. */
export interface Peer {
  readonly address: ListenAddress;
  readonly tls: ConnectionOptions | undefined;
}

/** Begins to connect. The event says that what is written now is encrypted, where it shall be. */
export function dial({ address, tls }: Peer): {
  readonly socket: Socket;
  readonly opened: 'connect' | 'secureConnect';
} {
  if (address.type === 'unix') return { socket: connectSocket({ path: address.path }), opened: 'connect' };
  const { host, port } = address;
  const socket = tls === undefined ? connectSocket({ host, port }) : connectTls({ ...tls, host, port });
  socket.setNoDelay(true);
  return { socket, opened: tls === undefined ? 'connect' : 'secureConnect' };
}

/** Why nothing comes of it, for people, in one line. */
export function reasonOf(error: unknown, peer: Peer): string {
  const { code = '', reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  const where = nameOf(peer.address);
  const known = REASONS[code]?.(where, reason ?? '') ?? (peer.tls === undefined ? undefined : reasonOfTls(code, where));
  // OpenSSL says where in its source that was, and ends the line.
  const [own = ''] = describeThrown(error).split('\n');
  return known === undefined ? `${where}: ${own}` : `${known} (${code})`;
}

/** What may be the matter with a connection that ended before a line came. */
export function reasonOfSilence({ address, tls }: Peer): string {
  const question = address.type === 'tcp' && tls === undefined ? ': does it want TLS (tls, --tls)?' : '';
  return `the daemon at ${nameOf(address)} ended the connection without a word${question}`;
}

const REASONS: Readonly<Record<string, (where: string, reason: string) => string>> = {
  ENOENT: (where) => `there is no socket ${where}: does the daemon run?`,
  ECONNREFUSED: (where) => `nobody listens at ${where}: does the daemon run?`,
  EACCES: (where) => `this user may not use the socket ${where}, or not enter its folder`,
  ENOTFOUND: (where) => `there is no such host: ${where}`,
  CERT_HAS_EXPIRED: (where) => `the certificate of ${where} has expired`,
  CERT_NOT_YET_VALID: (where) => `the certificate of ${where} is not valid yet`,
  ERR_TLS_CERT_ALTNAME_INVALID: (where, reason) =>
    `the certificate of ${where} is for another name: ${reason} Name the right one (servername, --tls-name)`,
};

/** https://nodejs.org/docs/latest-v20.x/api/tls.html#x509-certificate-error-codes: those of a chain that ends nowhere. */
const UNTRUSTED: readonly string[] = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
  'INVALID_CA',
];

function reasonOfTls(code: string, where: string): string | undefined {
  if (UNTRUSTED.includes(code)) {
    return `nobody who is trusted here has signed the certificate of ${where}: name who did (ca, --tls-ca)`;
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
    return `what listens at ${where} does not speak TLS as it should`;
  if (code === 'ECONNRESET') return `${where} ended the connection during the TLS handshake: does it speak TLS?`;
  return undefined;
}

/** Whether a later attempt may succeed although nobody changes anything here. */
export function mayPass(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return TRANSIENT.includes(code);
}

const TRANSIENT: readonly string[] = [
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAGAIN',
  'EAI_AGAIN',
];
