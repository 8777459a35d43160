import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { describeThrown } from '../core/errors.ts';
import type { SpoolAddress } from '../socket/index.ts';
import { readWhole, UsageError } from './command.ts';

/** Where the daemon is. */
export const ADDRESS_OPTIONS = {
  socket: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  tls: { type: 'boolean' },
  'tls-ca': { type: 'string' },
  'tls-name': { type: 'string' },
  'token-env': { type: 'string' },
} as const;

export const ADDRESS_USAGE = `\
  --socket <path>      the Unix socket of the daemon
  --host, --port       where it listens on TCP (host: 127.0.0.1)
  --tls                speak TLS, over TCP
  --tls-ca <file>      PEM: who signed the certificate of the daemon, or the certificate itself; implies --tls
  --tls-name <name>    the name in the certificate, if it is not the host; implies --tls
  --token-env <name>   the variable with the token that the daemon wants
`;

type Values = { readonly [name in keyof typeof ADDRESS_OPTIONS]?: string | boolean | undefined } & {
  readonly [name in Exclude<keyof typeof ADDRESS_OPTIONS, 'tls'>]?: string | undefined;
};

/** Undefined if no daemon is named. @throws {@link UsageError} for what does not go together. */
export function addressOf(values: Values, env: NodeJS.ProcessEnv): SpoolAddress | undefined {
  const { socket, host, port } = values;
  const token = tokenOf(values['token-env'], env);
  const tls = tlsOf(values);
  if (socket === undefined) {
    if (port !== undefined)
      return { host: host ?? '127.0.0.1', port: readWhole('port', port, { min: 1, max: 65_535 }), token, tls };
    if (host !== undefined || tls !== undefined) throw new UsageError('--host and --tls need a --port');
    return undefined;
  }
  if (host !== undefined || port !== undefined) throw new UsageError('it is either --socket, or --host and --port');
  if (tls !== undefined) throw new UsageError('--tls is for --host and --port: a Unix socket needs none');
  return { path: socket, token };
}

function tokenOf(variable: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (variable === undefined) return undefined;
  const token = env[variable];
  if (token !== undefined && token !== '') return token;
  throw new UsageError(`--token-env: the environment has no ${variable}, or an empty one`);
}

function tlsOf({ tls, 'tls-ca': file, 'tls-name': servername }: Values): ConnectionOptions | undefined {
  if (tls !== true && file === undefined && servername === undefined) return undefined;
  return {
    ...(file === undefined ? {} : { ca: readAuthority(file) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** What is no certificate would be left aside by Node, without a word. */
function readAuthority(file: string): string {
  try {
    const pem = readFileSync(file, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    throw new UsageError(`--tls-ca ${file} holds no certificate that can be read: ${describeThrown(error)}`);
  }
}
