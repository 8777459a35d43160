import type { Socket } from 'node:net';
import { dial, reasonOf, reasonOfSilence } from '../dial.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { SocketEmitterSettings } from './settings.ts';

/** Who uses a wire. Called back later, never from within the constructor or {@link Wire.cut}. */
export interface WireHost {
  opened(): void;
  heard(): void;
  line(line: Buffer): void;
  /** What was written has left; more can be. */
  drained(): void;
  /** Once, whatever happened. Not if it was cut from this side. */
  closed(reason: string): void;
}

/** The daemon's longest line: an error message, or a welcome. */
const LONGEST_REPLY = 65_536;

/** One connection, as lines. Never keeps the process alive by itself. */
export class Wire {
  readonly #socket: Socket;
  readonly #lines = new LineSplitter(LONGEST_REPLY);
  #host: WireHost | undefined;
  #reason: string;

  constructor(settings: Pick<SocketEmitterSettings, 'address' | 'tls'>, host: WireHost) {
    this.#host = host;
    const { socket, opened } = dial(settings);
    this.#reason = reasonOfSilence(settings);
    this.#socket = socket;
    socket.unref();
    socket.once(opened, () => this.#host?.opened());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#host?.drained());
    socket.on('error', (error) => {
      this.#reason = reasonOf(error, settings);
    });
    socket.on('close', () => this.#host?.closed(this.#reason));
  }

  /** Whether what is written would pile up in memory. */
  get isBlocked(): boolean {
    return this.#socket.writableNeedDrain;
  }

  write(data: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(data);
  }

  /** Ends it at once, and calls back no more. */
  cut(): void {
    this.#host = undefined;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#reason = 'the daemon ended the connection';
    this.#host?.heard();
    const isWhole = this.#lines.push(chunk, (line) => this.#host?.line(line));
    if (isWhole || this.#host === undefined) return;
    this.#reason = `the daemon sent a line of more than ${LONGEST_REPLY} bytes`;
    this.#socket.destroy();
  }
}
