import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describeThrown } from '../core/errors.ts';
import type { Clock, Timer } from '../schedule/clock.ts';
import type { Clients } from './clients.ts';
import { Connection, FAREWELL } from './connection.ts';
import type { Control } from './control.ts';
import { ListenError } from './errors.ts';
import { type Commit, newTally, type Tally } from './lane.ts';
import type { SpoolLimits } from './limits.ts';
import { isLocal, type ListenAddress, nameOf } from './listen-address.ts';
import { errorFrame, lineOf } from './protocol.ts';
import { makeRoom, type SocketSharing, share } from './unix-socket.ts';

/** A certificate, for TCP. */
export interface Certificate {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}

export interface SpoolServerSettings {
  readonly addresses: readonly ListenAddress[];
  readonly sharing: SocketSharing;
  readonly limits: SpoolLimits;
  /** What TCP clients must know. */
  readonly token: string | undefined;
  /** Whether TCP clients may give the commands of operators although there is no token. */
  readonly tcpControl: boolean;
  readonly certificate: Certificate | undefined;
  readonly clock: Clock;
}

/** What the server hands the lines to. */
export interface SpoolServerHost {
  readonly clients: Clients;
  readonly commit: Commit;
  readonly control: Control;
  /** Where events are counted, if anywhere. */
  readonly tally?: Tally;
}

/** How often connections are looked at for being slow or silent. Milliseconds. */
const SWEEP = 1_000;

/** Listens, and keeps the connections within their limits. */
export class SpoolServer {
  readonly #settings: SpoolServerSettings;
  readonly #host: SpoolServerHost;
  readonly #servers: Server[] = [];
  readonly #connections: Set<Connection> = new Set();
  readonly #load = { bytes: 0 };
  #sweep: Timer | undefined = undefined;
  #isClosing = false;

  constructor(settings: SpoolServerSettings, host: SpoolServerHost) {
    this.#settings = settings;
    this.#host = host;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Where it listens; with the port that was found where any would do. */
  get addresses(): readonly ListenAddress[] {
    return this.#servers.map((server) => {
      const address = server.address();
      if (typeof address === 'string' || address === null) return { type: 'unix', path: address ?? '' };
      return { type: 'tcp', host: address.address, port: address.port };
    });
  }

  /**
   * Listens everywhere, or nowhere.
   *
   * @throws {@link ListenError} that says where it could not, and why.
   */
  async listen(): Promise<void> {
    try {
      for (const address of this.#settings.addresses) await inOurWords(address, this.#listenAt(address));
    } catch (error) {
      await this.#stopListening();
      throw error;
    }
    this.#sweepLater();
  }

  /**
   * Accepts nobody any more, answers what was sent, and ends the connections; those of peers that do not read their
   * answers a second later.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#sweep?.cancel();
    const stopped = this.#stopListening();
    await Promise.all([...this.#connections].map((connection) => connection.finish()));
    for (const connection of this.#connections) connection.hangUp();
    const cutOff = this.#settings.clock.setTimer(() => {
      for (const connection of this.#connections) connection.cutOff();
    }, FAREWELL);
    await stopped;
    cutOff.cancel();
  }

  async #listenAt(address: ListenAddress): Promise<void> {
    const { token, sharing } = this.#settings;
    if (!isLocal(address) && token === undefined) {
      throw new ListenError(`${nameOf(address)} can be reached from other machines: that needs a token`);
    }
    if (address.type === 'unix') await makeRoom(address.path);
    const server = this.#createServer(address);
    this.#servers.push(server);
    await listening(server, address);
    if (address.type === 'unix') await share(address.path, sharing);
  }

  #createServer(address: ListenAddress): Server {
    const { certificate } = this.#settings;
    const accept = (socket: Socket): void => this.#accept(socket, address);
    if (address.type === 'unix' || certificate === undefined) {
      return createServer({ allowHalfOpen: true, noDelay: true }, accept);
    }
    // Not half open: a handshake that failed would leave a connection behind that nobody knows of.
    const handshakeTimeout = this.#settings.limits.frameTimeout;
    const server = createTlsServer({ ...certificate, noDelay: true, handshakeTimeout }, accept);
    return server.on('tlsClientError', (_, socket) => socket.destroy());
  }

  #accept(socket: Socket, address: ListenAddress): void {
    const { limits, clock } = this.#settings;
    if (this.#isClosing || this.#connections.size >= limits.maxConnections) {
      const reason = this.#isClosing
        ? errorFrame('closing', 'the daemon shuts down')
        : errorFrame('too_many_connections', `there are ${limits.maxConnections} connections already`);
      socket.on('error', () => socket.destroy());
      socket.end(lineOf(reason), () => socket.destroy());
      return;
    }
    const { clients, commit, control, tally = newTally() } = this.#host;
    const connection: Connection = new Connection(socket, {
      limits,
      clients,
      commit,
      control: this.#mayControl(address) ? control : refuseControl,
      tally,
      load: this.#load,
      authorizes: (token) => address.type === 'unix' || this.#authorizes(token),
      now: () => clock.now(),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  /** The permissions of a Unix socket say who may; on TCP everybody of this machine can connect. */
  #mayControl({ type }: ListenAddress): boolean {
    const { token, tcpControl } = this.#settings;
    return type === 'unix' || token !== undefined || tcpControl;
  }

  /** Takes as long for a wrong token as for a right one. */
  #authorizes(given: string | undefined): boolean {
    const { token } = this.#settings;
    return token === undefined || (given !== undefined && timingSafeEqual(digest(given), digest(token)));
  }

  #sweepLater(): void {
    this.#sweep = this.#settings.clock.setTimer(
      () => {
        for (const connection of this.#connections) connection.sweep();
        this.#sweepLater();
      },
      SWEEP,
      true,
    );
  }

  async #stopListening(): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
          }),
      ),
    );
  }
}

const refuseControl: Control = () => {
  throw new Error(
    'over TCP only a daemon with a token (--token-env), or with --tcp-control, takes commands of operators',
  );
};

/** @throws {@link ListenError} for whatever goes wrong. */
async function inOurWords(address: ListenAddress, listening: Promise<void>): Promise<void> {
  try {
    await listening;
  } catch (error) {
    if (error instanceof ListenError) throw error;
    throw new ListenError(`cannot listen at ${nameOf(address)}: ${reasonOf(error)}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not',
  EROFS: 'nothing can be written there',
  ENOTFOUND: 'there is no such host',
};

function reasonOf(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  return Object.hasOwn(REASONS, code) ? `${REASONS[code]} (${code})` : describeThrown(error);
}

/** Nobody but the owner can connect before the socket has been shared. */
function listening(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const mask = address.type === 'unix' ? process.umask(0o177) : undefined;
    server.listen(address.type === 'unix' ? { path: address.path } : { host: address.host, port: address.port }, () => {
      server.on('error', () => undefined);
      resolve();
    });
    if (mask !== undefined) process.umask(mask);
  });
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
