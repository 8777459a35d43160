import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export type Reply = Readonly<Record<string, unknown>>;

/** Where a client connects. */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

/** Speaks the spool protocol as a program would that knows nothing but docs/PROTOCOL.md. */
export class LineClient {
  readonly socket: Socket;
  /** All that came, in order. */
  readonly replies: Reply[] = [];
  #text = '';
  #read = 0;
  #isClosed = false;
  #changed: () => void = () => undefined;

  static async connected(place: Place): Promise<LineClient> {
    const socket = connect({ ...place, noDelay: true });
    await once(socket, 'connect');
    return new LineClient(socket);
  }

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#changed();
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** An object is a line; text and bytes go as they are. */
  send(...parts: readonly (object | string | Buffer)[]): void {
    for (const part of parts) {
      this.socket.write(typeof part === 'string' || Buffer.isBuffer(part) ? part : `${JSON.stringify(part)}\n`);
    }
  }

  /** The next line that was not read yet; undefined if the connection has ended. */
  async next(): Promise<Reply | undefined> {
    await this.#until(() => this.#read < this.replies.length || this.#isClosed);
    return this.replies[this.#read++];
  }

  async take(count: number): Promise<(Reply | undefined)[]> {
    const taken: (Reply | undefined)[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  /** What one question is answered. */
  ask(...parts: readonly (object | string | Buffer)[]): Promise<Reply | undefined> {
    this.send(...parts);
    return this.next();
  }

  /** What has not been read, once the other side has ended the connection. */
  async rest(): Promise<readonly Reply[]> {
    await this.#until(() => this.#isClosed);
    return this.replies.slice(this.#read);
  }

  /** Says hello, and returns the number of the last durable frame. */
  async hello(client: string, more: object = {}): Promise<number> {
    const welcome = await this.ask({ $: 'hello', version: 1, client, ...more });
    if (welcome?.$ !== 'welcome') throw new Error(`not welcome: ${JSON.stringify(welcome)}`);
    return welcome.committed as number;
  }

  end(): void {
    this.socket.destroy();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  #take(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() as string;
    for (const line of lines) this.replies.push(JSON.parse(line) as Reply);
    this.#changed();
  }
}
