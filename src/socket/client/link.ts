import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { asError } from '../../core/errors.ts';
import type { Timer } from '../../schedule/clock.ts';
import { SpoolRefusedError } from '../errors.ts';
import { nameOf } from '../listen-address.ts';
import { lineOf, PROTOCOL_VERSION } from '../protocol.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Counters } from './metrics.ts';
import { parseReply, type Refusal, type Reply } from './replies.ts';
import type { Reporter } from './reporter.ts';
import { RetryDelay } from './retry-delay.ts';
import type { SocketEmitterSettings } from './settings.ts';
import { Wire } from './wire.ts';

/** Who uses the link. */
export interface LinkHost {
  /** The daemon is there. Returns false if it knows other numbers of this name than were given. */
  welcomed(committed: number, maxFrame: number): boolean;
  acknowledged(seq: number): void;
  /** A frame was refused. */
  refused(refusal: Refusal & { readonly seq: number }): void;
  /** More can be written. */
  drained(): void;
  lost(): void;
  /** From now on the daemon knows nothing of what was numbered. */
  renamed(): void;
}

/**
 * What the link is doing:
 *
 *     off        → connecting   start
 *     connecting → ready        the daemon said welcome
 *     connecting → resting      it did not, in time or at all
 *     ready      → resting      the connection was lost
 *     resting    → connecting   the delay is over
 *     any        → off          stop
 */
type LinkState = 'off' | 'connecting' | 'ready' | 'resting';

/** What a new attempt mends only if somebody changes something first. */
const HOPELESS: readonly string[] = ['unauthorized', 'bad_version'];

/** Stays connected to the daemon, as well as that can be done. Never keeps the process alive by itself. */
export class Link {
  readonly #settings: SocketEmitterSettings;
  readonly #counters: Counters;
  readonly #reporter: Reporter;
  readonly #host: LinkHost;
  readonly #retry: RetryDelay;
  #state: LinkState = 'off';
  #client: string;
  #wire: Wire | undefined = undefined;
  #heartbeat: Heartbeat | undefined = undefined;
  /** Of an attempt to connect, or until the next. */
  #timer: Timer | undefined = undefined;
  #wasReady = false;

  constructor(
    parts: { readonly settings: SocketEmitterSettings; readonly counters: Counters; readonly reporter: Reporter },
    client: string | undefined,
    host: LinkHost,
  ) {
    this.#settings = parts.settings;
    this.#counters = parts.counters;
    this.#reporter = parts.reporter;
    this.#host = host;
    this.#retry = new RetryDelay(parts.settings.maxRetryDelay);
    this.#client = client ?? freshName(undefined);
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  /** Whether frames can be written now. */
  get isWritable(): boolean {
    return this.#state === 'ready' && this.#wire?.isBlocked === false;
  }

  /** Connects, if it was never told to. */
  start(): void {
    if (this.#state === 'off') this.#connect();
  }

  /** Does not wait for the end of a delay. */
  hurry(): void {
    if (this.#state === 'resting') this.#connect();
  }

  write(data: string | Buffer): void {
    this.#wire?.write(data);
  }

  /** This connection is of no use: takes another one. */
  reconnect(reason: string): void {
    if (this.#state === 'ready' || this.#state === 'connecting') this.#lost(reason);
  }

  stop(): void {
    this.#disconnect();
    this.#state = 'off';
  }

  #connect(): void {
    const { clock, connectTimeout, token } = this.#settings;
    this.#disconnect();
    this.#state = 'connecting';
    this.#timer = clock.setTimer(
      () => this.#lost(`the daemon did not say welcome within ${connectTimeout} ms (connectTimeout)`),
      connectTimeout,
      true,
    );
    try {
      this.#wire = new Wire(this.#settings, {
        opened: () => this.write(lineOf({ $: 'hello', version: PROTOCOL_VERSION, client: this.#client, token })),
        heard: () => this.#heartbeat?.heard(),
        line: (line) => this.#read(line),
        drained: () => this.#host.drained(),
        closed: (reason) => this.#lost(reason),
      });
    } catch (thrown) {
      // Options of TLS, say, that it cannot work with.
      this.#lost(asError(thrown).message);
    }
  }

  #read(line: Buffer): void {
    const reply = parseReply(line);
    if (reply === undefined) this.#lost('the daemon sent what is no line of the protocol');
    else if (reply.type === 'error') this.#refused(reply);
    else if (reply.type === 'welcome') this.#welcomed(reply);
    else if (this.#state === 'ready' && reply.type !== 'other') this.#alive(reply);
  }

  /** A daemon that answers is worth coming back to. One that only lets us in might be dying again and again. */
  #alive(reply: Reply): void {
    this.#retry.succeeded();
    if (reply.type === 'ack') this.#host.acknowledged(reply.seq);
  }

  #welcomed({ committed, maxFrame, heartbeat }: Reply & { readonly type: 'welcome' }): void {
    if (this.#state !== 'connecting') {
      this.#lost('the daemon said welcome twice');
      return;
    }
    this.#timer?.cancel();
    this.#state = 'ready';
    if (this.#retry.failures > 0) this.#reporter.info({ client: this.#client }, 'connected to the spool daemon again');
    if (this.#wasReady) this.#counters.reconnects++;
    this.#wasReady = true;
    this.#heartbeat = new Heartbeat(this.#settings.clock, heartbeat, {
      ask: () => this.write(lineOf({ $: 'ping', id: committed })),
      dead: () => this.#lost('the daemon does not answer any more'),
    });
    if (this.#host.welcomed(committed, maxFrame)) return;
    this.#rename(`the daemon knows this client by frame ${committed}, which is none of its own`);
  }

  #refused(refusal: Refusal): void {
    const { code, message, retryable, seq } = refusal;
    if (code === 'replaced') {
      this.#rename('another process says that it is this client');
    } else if (HOPELESS.includes(code)) {
      const error = new SpoolRefusedError(code, message, retryable);
      if (this.#retry.failures === 0) this.#reporter.error('the connection', error);
      this.#lost(error.message, true);
    } else if (seq !== undefined && this.#state === 'ready') {
      this.#host.refused({ ...refusal, seq });
    } else {
      this.#lost(`the daemon refused: ${message} (${code})`);
    }
  }

  /**
   * Two under one name would each take the other's acknowledgements for their own. So what is not acknowledged is sent
   * under a name that nobody else can have; some of it may be durable under the old one, too.
   */
  #rename(reason: string): void {
    this.#client = freshName(this.#settings.client);
    this.#host.renamed();
    this.#lost(`${reason}: it goes on as ${this.#client}`);
  }

  #lost(reason: string, isHopeless = false): void {
    const { clock, maxRetryDelay, address } = this.#settings;
    const delay = this.#retry.failed();
    this.#disconnect();
    this.#state = 'resting';
    if (this.#retry.failures === 1) this.#reporter.warn(`no connection to ${nameOf(address)}, trying again: ${reason}`);
    this.#timer = clock.setTimer(() => this.#connect(), isHopeless ? maxRetryDelay : delay, true);
    this.#host.lost();
  }

  #disconnect(): void {
    this.#timer?.cancel();
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
    this.#wire?.cut();
    this.#wire = undefined;
  }
}

/** A name that nobody else has. */
export function freshName(prefix: string | undefined): string {
  return `${prefix ?? `${hostname().slice(0, 100)}-${process.pid}`}-${randomUUID()}`;
}
