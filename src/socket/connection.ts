import type { Socket } from 'node:net';
import type { Client, Clients } from './clients.ts';
import type { Control } from './control.ts';
import { type Commit, Lane, type Tally } from './lane.ts';
import type { SpoolLimits } from './limits.ts';
import { LineSplitter } from './line-splitter.ts';
import {
  BadLine,
  type ClientFrame,
  errorFrame,
  isBinary,
  lineOf,
  PROTOCOL_VERSION,
  parseLine,
  refusalOf,
  type ServerFrame,
  SPOOL_ERRORS,
  type SpoolErrorCode,
} from './protocol.ts';

/** What all connections of a daemon share. */
export interface ConnectionServices {
  readonly limits: SpoolLimits;
  readonly clients: Clients;
  readonly commit: Commit;
  /** Where events are counted. */
  readonly tally: Tally;
  /** Bytes of lines that are not answered, of all connections. */
  readonly load: { bytes: number };
  /** Whether this token opens the door; always, where none is needed. */
  authorizes(token: string | undefined): boolean;
  /** Does what an operator asks. */
  readonly control: Control;
  now(): number;
  closed(connection: Connection): void;
}

/** A peer that reads none of its answers is cut off when so many bytes of them wait. */
const MOST_UNREAD_BYTES = 1_048_576;

/** How long the end of a connection that was refused is put off, so that the peer gets to read why. Milliseconds. */
export const FAREWELL = 1_000;

/**
 * ```text
 *  open ──→ refusing ──→ ending ──→ closed      refusing: nothing more is read, what was read is still answered
 *                                               ending: the last line is written, what still comes is thrown away
 * ```
 */
type State = 'open' | 'refusing' | 'ending' | 'closed';

/** One peer: its lines, and their answers. Whatever it does, it disturbs nobody else. */
export class Connection {
  readonly #socket: Socket;
  readonly #services: ConnectionServices;
  readonly #lines: LineSplitter;
  /** Lines of a client that did not say hello. */
  readonly #lane: Lane;
  /** Their answers, in order; undefined as long as it is not known. */
  readonly #answers: { frame: ServerFrame | undefined }[] = [];
  #client: Client | undefined = undefined;
  #isAuthorized: boolean;
  #state: State = 'open';
  /** What operators asked, and is not answered. */
  readonly #errands: Set<Promise<void>> = new Set();
  /** Of lines that are not answered. */
  #bytes = 0;
  #heardAt: number;
  /** Of the line that has begun, as they count in the load of all. */
  #begunBytes = 0;
  /** When that line began. */
  #begunAt: number;
  #endingAt = 0;

  constructor(socket: Socket, services: ConnectionServices) {
    this.#socket = socket;
    this.#services = services;
    this.#lines = new LineSplitter(services.limits.maxFrame);
    this.#lane = new Lane(services.commit, services.tally);
    this.#isAuthorized = services.authorizes(undefined);
    this.#heardAt = services.now();
    this.#begunAt = this.#heardAt;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.#peerEnded());
    socket.on('close', () => this.#closed());
  }

  /** Looks at the time: a peer that is too slow or silent is let go. */
  sweep(): void {
    const now = this.#services.now();
    const { frameTimeout, idleTimeout } = this.#services.limits;
    if (this.#state === 'ending' && now - this.#endingAt > FAREWELL) this.#socket.destroy();
    // What we do not read cannot be held against it.
    if (this.#state !== 'open' || this.#socket.isPaused()) return;
    if (this.#lines.begun > 0 && now - this.#begunAt > frameTimeout) {
      this.fail('too_slow', `the line was not complete within ${frameTimeout} ms`);
    } else if (this.#bytes === 0 && now - this.#heardAt > idleTimeout) {
      this.fail('idle', `nothing came for ${idleTimeout} ms`);
    }
  }

  /** Reads nothing more, and ends the connection with an error once everything before it is answered. */
  fail(code: SpoolErrorCode, message: string, seq?: number): void {
    void this.#refuse(errorFrame(code, message, seq));
  }

  /** Ends the connection once everything that it sent is answered. */
  async finish(): Promise<void> {
    await this.#refuse(errorFrame('closing', 'the daemon shuts down'));
  }

  /** Ends it as soon as what was answered is on its way. */
  hangUp(): void {
    this.#socket.destroySoon();
  }

  /** Ends it at once. */
  cutOff(): void {
    this.#socket.destroy();
  }

  reply(frame: ServerFrame): void {
    if ((this.#state !== 'open' && this.#state !== 'refusing') || this.#socket.destroyed) return;
    // One answer may be of any size; who does not read does not get the next.
    if (this.#socket.writableLength > MOST_UNREAD_BYTES) this.#socket.destroy();
    else this.#socket.write(lineOf(frame));
  }

  replace(): void {
    this.#client = undefined;
    this.fail('replaced', 'the same client said hello on another connection');
  }

  async #refuse(reason: ServerFrame): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'refusing';
    this.#socket.pause();
    await this.#answered();
    this.reply(reason);
    this.#end();
  }

  async #answered(): Promise<void> {
    await this.#lane.idle();
    await this.#client?.idle();
  }

  #read(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    const now = this.#services.now();
    this.#heardAt = now;
    if (this.#lines.begun === 0) this.#begunAt = now;
    const isWhole = this.#lines.push(chunk, (line) => {
      this.#begunAt = now;
      if (this.#state === 'open') this.#take(line);
    });
    this.#countBegun(this.#lines.begun);
    if (this.#state !== 'open') return;
    if (!isWhole) this.fail('frame_too_large', `a line has at most ${this.#services.limits.maxFrame} bytes`);
    else if (this.#lines.begun > 0 && (chunk.includes(0) || isBinary(this.#lines.beginning.subarray(0, 1)))) {
      this.fail('binary', 'these bytes are in no JSON text: is this another protocol, or TLS?');
    } else this.#checkLoad();
  }

  /** Not among those of this connection: a line that could not be read on would never end. */
  #countBegun(bytes: number): void {
    this.#services.load.bytes += bytes - this.#begunBytes;
    this.#begunBytes = bytes;
  }

  /** One connection waits with reading; if all together are too much, this one goes. */
  #checkLoad(): void {
    const { limits, load } = this.#services;
    if (load.bytes > limits.maxTotalBytes) {
      this.fail('too_many_bytes', `more than ${limits.maxTotalBytes} bytes are under way on all connections`);
    } else if (this.#bytes > limits.maxConnectionBytes) {
      this.#socket.pause();
    }
  }

  #take(line: Buffer): void {
    try {
      this.#obey(parseLine(line), line.length);
    } catch (thrown) {
      if (!(thrown instanceof BadLine)) throw thrown;
      const { reason, message, seq } = thrown;
      if (SPOOL_ERRORS[reason].closes) this.fail(reason, message, seq);
      else if (seq !== undefined) this.reply(errorFrame(reason, message, seq));
      else this.#answerInTurn().frame = errorFrame(reason, message);
      this.#flushAnswers();
    }
  }

  #obey(frame: ClientFrame, bytes: number): void {
    if (frame.type === 'hello') this.#welcome(frame);
    else if (frame.type === 'ping') this.reply({ $: 'pong', id: frame.id });
    else if (!this.#isAuthorized) this.fail('unauthorized', 'say hello with the token first');
    else if (frame.type === 'lines') this.#store(frame.events, bytes);
    else if (frame.type === 'events') this.#storeNumbered(frame, bytes);
    else this.#control(frame);
  }

  #welcome({ version, client, token }: ClientFrame & { type: 'hello' }): void {
    if (!this.#services.authorizes(token)) {
      this.fail('unauthorized', token === undefined ? 'a token is needed' : 'the token is wrong');
      return;
    }
    if (version < PROTOCOL_VERSION) {
      this.fail('bad_version', `the oldest version that is spoken is ${PROTOCOL_VERSION}`);
      return;
    }
    if (this.#client !== undefined && this.#client.name !== client) {
      throw new BadLine('bad_frame', 'a connection has one client');
    }
    this.#isAuthorized = true;
    this.#client = this.#services.clients.get(client);
    this.#client.connect(this);
    const { maxFrame, heartbeat } = this.#services.limits;
    this.reply({ $: 'welcome', version: PROTOCOL_VERSION, committed: this.#client.committed, maxFrame, heartbeat });
  }

  #storeNumbered({ seq, events }: ClientFrame & { type: 'events' }, bytes: number): void {
    if (this.#client === undefined) throw new BadLine('bad_frame', 'numbered events need a hello first', seq);
    this.#hold(bytes);
    this.#client.take(seq, events, () => this.#letGo(bytes));
  }

  #store(events: SpoolEvents, bytes: number): void {
    const answer = this.#answerInTurn();
    this.#hold(bytes);
    this.#lane.add({
      events,
      mark: undefined,
      answer: (outcome) => {
        this.#letGo(bytes);
        answer.frame = outcome.isOk() ? { $: 'ack', count: events.length } : refusalOf(outcome.error);
        this.#flushAnswers();
      },
    });
  }

  #control(frame: ClientFrame & { type: 'spool' }): void {
    const errand = this.#run(frame).finally(() => this.#errands.delete(errand));
    this.#errands.add(errand);
  }

  async #run({ id, command, body }: ClientFrame & { type: 'spool' }): Promise<void> {
    try {
      for await (const members of this.#services.control(command, body)) {
        this.reply({ $: 'spool', id, ...members });
        if (this.#socket.writableNeedDrain) await drained(this.#socket);
        if (this.#state !== 'open') return;
      }
      this.reply({ $: 'spool', id, done: true });
    } catch (thrown) {
      this.reply({ $: 'spool', id, done: true, error: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  }

  /** A place in the order of the answers. */
  #answerInTurn(): { frame: ServerFrame | undefined } {
    const answer = { frame: undefined };
    this.#answers.push(answer);
    return answer;
  }

  #flushAnswers(): void {
    while (this.#answers[0]?.frame !== undefined) this.reply(this.#answers.shift()?.frame as ServerFrame);
  }

  #hold(bytes: number): void {
    this.#bytes += bytes;
    this.#services.load.bytes += bytes;
  }

  #letGo(bytes: number): void {
    this.#bytes -= bytes;
    this.#services.load.bytes -= bytes;
    if (
      this.#state === 'open' &&
      this.#socket.isPaused() &&
      this.#bytes <= this.#services.limits.maxConnectionBytes / 2
    ) {
      this.#begunAt = this.#services.now();
      this.#heardAt = this.#begunAt;
      this.#socket.resume();
    }
  }

  #end(): void {
    if (this.#state !== 'open' && this.#state !== 'refusing') return;
    this.#state = 'ending';
    this.#endingAt = this.#services.now();
    // What still comes is read and thrown away: a close with unread bytes would take the last answer back.
    this.#socket.resume();
    this.#socket.end();
  }

  /** It sent all it wanted, as `nc -N` does; the answers are still to come. */
  #peerEnded(): void {
    const done = async (): Promise<void> => {
      await this.#answered();
      await Promise.all(this.#errands);
      this.#end();
    };
    void done();
  }

  #closed(): void {
    this.#state = 'closed';
    this.#countBegun(0);
    this.#client?.disconnect(this);
    this.#services.closed(this);
  }
}

/** Resolves when there is room again, or nobody reads any more. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

type SpoolEvents = (ClientFrame & { type: 'lines' })['events'];
