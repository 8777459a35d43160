import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManualClock } from '../../../src/testing/manual-clock.ts';

export type Frame = Record<string, unknown>;

export interface EventsFrame extends Frame {
  readonly seq: number;
  readonly events: readonly Record<string, unknown>[];
}

/** What becomes of a frame whose number is the next one. */
export type Verdict =
  /** It is durable and acknowledged. */
  | 'commit'
  /** It is durable, and nobody is told. */
  | 'swallow'
  /** It is taken, and neither durable nor answered: {@link DaemonDouble.acknowledge} does that. */
  | 'hold'
  /** It is not taken, and the connection ends without a word. */
  | 'cut'
  /** It is durable, and the connection ends without a word. */
  | 'commitAndCut'
  | { readonly refuse: string; readonly retryable: boolean };

export interface Welcome {
  readonly committed?: number;
  readonly maxFrame?: number;
  readonly heartbeat?: number;
}

interface KnownClient {
  committed: number;
  taken: number;
}

interface HeldFrame {
  readonly client: KnownClient;
  readonly frame: EventsFrame;
}

/** A daemon as docs/PROTOCOL.md has it, in memory; what it does with each frame can be said, and seen. */
export class DaemonDouble {
  readonly path: string;
  /** Every line that came, of all connections. */
  readonly frames: Frame[] = [];
  readonly connections: Socket[] = [];
  readonly clients: Map<string, KnownClient> = new Map();
  /** What is durable, in the order in which it became so. */
  stored: Record<string, unknown>[] = [];
  verdict: (frame: EventsFrame) => Verdict = () => 'commit';
  /** Whether it answers a hello; with what. */
  greet: (hello: Frame) => Welcome | { readonly refuse: string } | undefined = () => ({});
  answersPings = true;
  /** Of the next connection, how many bytes are read, or written, before it ends. */
  readAtMost = Number.POSITIVE_INFINITY;
  writeAtMost = Number.POSITIVE_INFINITY;
  readonly #folder: string;
  readonly #held: HeldFrame[] = [];
  readonly #writable: Map<Socket, number> = new Map();
  #server: Server | undefined;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'spool-'));
    this.path = join(this.#folder, 'd.sock');
  }

  static async started(): Promise<DaemonDouble> {
    const daemon = new DaemonDouble();
    await daemon.start();
    return daemon;
  }

  get hellos(): Frame[] {
    return this.frames.filter(({ $ }) => $ === 'hello');
  }

  get events(): EventsFrame[] {
    return this.frames.filter(({ $ }) => $ === 'events') as EventsFrame[];
  }

  get seqs(): number[] {
    return this.events.map(({ seq }) => seq);
  }

  /** The connection of the moment. */
  get socket(): Socket {
    return this.connections.at(-1) as Socket;
  }

  start(): Promise<void> {
    this.#server = createServer((socket) => this.#accept(socket));
    return new Promise((resolve) => {
      this.#server?.listen(this.path, resolve);
    });
  }

  /** Ends every connection at once, and listens no more. */
  async stop(): Promise<void> {
    const stopped = new Promise((resolve) => {
      if (this.#server === undefined) resolve(undefined);
      this.#server?.close(resolve);
    });
    this.cut();
    await stopped;
    this.#server = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true });
  }

  cut(): void {
    for (const socket of this.connections.splice(0)) socket.destroy();
  }

  send(frame: Frame): void {
    this.socket.write(`${JSON.stringify(frame)}\n`);
  }

  /** Makes durable what it held, up to a number, and says so on the connection of the moment. */
  acknowledge(upTo = Number.POSITIVE_INFINITY): void {
    let last: number | undefined;
    for (let next = this.#held[0]; next !== undefined && next.frame.seq <= upTo; next = this.#held[0]) {
      this.#held.shift();
      this.#commit(next.client, next.frame);
      last = next.frame.seq;
    }
    if (last !== undefined) this.send({ $: 'ack', seq: last });
  }

  #accept(socket: Socket): void {
    this.connections.push(socket);
    let rest = '';
    let client: KnownClient | undefined;
    let room = this.readAtMost;
    this.#writable.set(socket, this.writeAtMost);
    this.readAtMost = Number.POSITIVE_INFINITY;
    this.writeAtMost = Number.POSITIVE_INFINITY;
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      const lines = (rest + chunk.slice(0, room)).split('\n');
      room -= chunk.length;
      rest = lines.pop() as string;
      for (const line of lines) {
        if (socket.destroyed) return;
        const frame = JSON.parse(Buffer.from(line, 'latin1').toString()) as Frame;
        this.frames.push(frame);
        if (frame.$ === 'hello') client = this.#hello(socket, frame);
        else if (frame.$ === 'ping' && this.answersPings) this.#reply(socket, { $: 'pong', id: frame.id });
        else if (frame.$ === 'events' && client !== undefined) this.#take(socket, client, frame as EventsFrame);
      }
      if (room <= 0) socket.destroy();
    });
  }

  #hello(socket: Socket, hello: Frame): KnownClient | undefined {
    const answer = this.greet(hello);
    if (answer === undefined) return undefined;
    if ('refuse' in answer) {
      socket.end(`${JSON.stringify(errorOf(answer.refuse, false))}\n`);
      return undefined;
    }
    const name = hello.client as string;
    const client = this.clients.get(name) ?? { committed: 0, taken: 0 };
    this.clients.set(name, client);
    // What was held for a connection that is gone is gone with it.
    this.#held.length = 0;
    client.taken = client.committed;
    const { committed = client.committed, maxFrame = 1_048_576, heartbeat = 10_000 } = answer;
    this.#reply(socket, { $: 'welcome', version: 1, committed, maxFrame, heartbeat });
    return client;
  }

  #take(socket: Socket, client: KnownClient, frame: EventsFrame): void {
    const { seq } = frame;
    if (seq <= client.committed) {
      this.#reply(socket, { $: 'ack', seq: client.committed });
      return;
    }
    if (seq !== client.taken + 1) {
      if (seq > client.taken) this.#reply(socket, { ...errorOf('gap', true), seq });
      return;
    }
    const verdict = this.verdict(frame);
    if (typeof verdict === 'object') {
      this.#reply(socket, { ...errorOf(verdict.refuse, verdict.retryable), seq });
      return;
    }
    if (verdict !== 'cut') client.taken = seq;
    if (verdict === 'hold') this.#held.push({ client, frame });
    else if (verdict !== 'cut') this.#commit(client, frame);
    if (verdict === 'commit') this.#reply(socket, { $: 'ack', seq });
    else if (verdict === 'cut' || verdict === 'commitAndCut') socket.destroy();
  }

  #commit(client: KnownClient, { seq, events }: EventsFrame): void {
    client.committed = seq;
    this.stored.push(...events);
  }

  #reply(socket: Socket, frame: Frame): void {
    const line = `${JSON.stringify(frame)}\n`;
    const room = this.#writable.get(socket) ?? Number.POSITIVE_INFINITY;
    this.#writable.set(socket, room - line.length);
    if (room > line.length) socket.write(line);
    else if (room > 0) socket.end(line.slice(0, room));
  }
}

function errorOf(code: string, retryable: boolean): Frame {
  return { $: 'error', code, message: `because of ${code}`, retryable };
}

/** Resolves once the condition holds; with a clock, that is given its turns meanwhile. */
export async function until(condition: () => boolean, clock?: ManualClock): Promise<void> {
  const end = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`this did not come true within 5 s: ${condition}`);
    await clock?.turn();
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}

/** Lets what is under way arrive. */
export async function aWhile(clock?: ManualClock): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await clock?.turn();
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}
