import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';

/** What a server saw of a request. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** The body as it came over the wire. */
  readonly raw: Buffer;
  /** The same, decompressed. */
  readonly body: Buffer;
  /** Connections are numbered from 0. */
  readonly connection: number;
}

/** What a server does with a request. */
export interface Behaviour {
  /** Called before the body is read; if it returns true, the rest of the exchange is its own. */
  readonly early?: (request: IncomingMessage) => boolean;
  readonly late?: (response: ServerResponse, request: Received) => void;
}

/** A transparent pixel: what a collector answers to a GET. */
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

/** As a collector does: 200, `ok` to a POST, a GIF to a GET. */
export const ok: Behaviour = {
  late: (response, { method }) => {
    if (method === 'GET') response.writeHead(200, { 'content-type': 'image/gif' }).end(GIF);
    else response.writeHead(200, { 'content-type': 'text/plain' }).end('ok');
  },
};

export function status(code: number, headers: Record<string, string> = {}, body = `status ${code}`): Behaviour {
  const hasBody = code !== 204 && code !== 304;
  return { late: (response) => void response.writeHead(code, headers).end(hasBody ? body : undefined) };
}

export function retryAfter(code: number, value: string): Behaviour {
  return status(code, { 'retry-after': value });
}

export function redirect(code: number, location: string): Behaviour {
  return status(code, { location });
}

/** Breaks the connection once the request's headers are there. */
export const resetBeforeBody: Behaviour = {
  early: (request) => {
    request.socket.resetAndDestroy();
    return true;
  },
};

/** Breaks the connection once the whole request is there. */
export const resetAfterBody: Behaviour = { late: (response) => void response.socket?.resetAndDestroy() };

/** Promises a body, sends part of it, and breaks the connection. */
export function resetInReply(code: number): Behaviour {
  return {
    late: (response) => {
      response.writeHead(code, { 'content-length': '1000' });
      response.write('part', () => response.socket?.resetAndDestroy());
    },
  };
}

export const neverAnswers: Behaviour = { late: () => undefined };

/** Sends headers, and never the body that they promise. */
export function headersOnly(code: number): Behaviour {
  return { late: (response) => response.writeHead(code, { 'content-length': '1000' }).flushHeaders() };
}

/** Sends headers and then a byte a second, for ever. */
export function dripsBody(code: number): Behaviour {
  return {
    late: (response) => {
      response.writeHead(code);
      drip(response, () => response.write('.'));
    },
  };
}

/** Sends a byte of its headers a second, for ever. */
export const dripsHeaders: Behaviour = {
  late: (response) => {
    const { socket } = response;
    const text = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`;
    let at = 0;
    if (socket !== null) drip(socket, () => socket.write(text[at++] as string));
  },
};

function drip(stream: NodeJS.WritableStream, write: () => void): void {
  write();
  const timer = setInterval(write, 1_000);
  stream.once('close', () => clearInterval(timer));
}

/** Sends a body without end, as fast as it is read. */
export function endless(code: number, told: (bytes: number) => void = () => undefined): Behaviour {
  return {
    late: (response) => {
      const chunk = Buffer.alloc(16_384, 'x');
      let sent = 0;
      const write = (): void => {
        let flows = true;
        while (flows && !response.destroyed) {
          flows = response.write(chunk);
          sent += chunk.length;
        }
        told(sent);
      };
      response.writeHead(code);
      response.on('drain', write);
      response.on('error', () => undefined);
      write();
    },
  };
}

/** Answers when it is told to; see {@link byHand}. */
export interface Held {
  readonly behaviour: Behaviour;
  /** Requests that wait for their answer. */
  readonly waiting: number;
  /** Answers the request that has waited longest. */
  answer(behaviour?: Behaviour): void;
}

export function byHand(): Held {
  const open: [ServerResponse, Received][] = [];
  return {
    behaviour: { late: (response, request) => void open.push([response, request]) },
    get waiting() {
      return open.length;
    },
    answer: (behaviour = ok) => {
      const [response, request] = open.shift() as [ServerResponse, Received];
      behaviour.late?.(response, request);
    },
  };
}

/** An HTTP server on this machine that does what a script says, request by request, and writes down what came. */
export class ScriptedServer {
  readonly requests: Received[] = [];
  readonly #script: Behaviour[];
  readonly #otherwise: Behaviour;
  readonly #sockets: Socket[] = [];
  readonly #server = createServer((request, response) => void this.#take(request, response));
  #watchers: (() => void)[] = [];

  /**
   * @param script - what to do with each request, in the order in which they come
   * @param otherwise - what to do with those after it
   */
  constructor(script: readonly Behaviour[], otherwise: Behaviour) {
    this.#script = [...script];
    this.#otherwise = otherwise;
    this.#server.on('connection', (socket) => {
      this.#sockets.push(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#changed());
    });
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#sockets.length;
  }

  /** Resolves once the connection of this request is closed. Another may be open by then: undici is quick to make one. */
  async disconnected({ connection }: Received): Promise<void> {
    await this.#until(() => this.#sockets[connection]?.destroyed === true);
  }

  /** The events of all requests so far, in order; without `stm`. */
  get events(): Record<string, string>[] {
    return this.requests.flatMap((request) => eventsOf(request).map(({ stm: _, ...event }) => event));
  }

  /** Resolves once so many requests have come, to the last of them. */
  async received(count: number): Promise<Received> {
    await this.#until(() => this.requests.length >= count);
    return this.requests[count - 1] as Received;
  }

  /** Resolves once this is so; looked at whenever something has come or a connection was closed. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#watchers.push(resolve);
      });
    }
  }

  #changed(): void {
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const behaviour = this.#script.shift() ?? this.#otherwise;
    if (behaviour.early?.(request) === true) {
      this.#record(request, Buffer.alloc(0));
      return;
    }
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const received = this.#record(request, Buffer.concat(chunks));
      behaviour.late?.(response, received);
    });
  }

  #record({ method = '', url = '', headers, socket }: IncomingMessage, raw: Buffer): Received {
    const body = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    const received = { method, url, headers, raw, body, connection: this.#sockets.indexOf(socket) };
    this.requests.push(received);
    this.#changed();
    return received;
  }
}

/** A server for the test that runs. */
export async function serve(script: readonly Behaviour[] = [], otherwise: Behaviour = ok): Promise<ScriptedServer> {
  const server = await new ScriptedServer(script, otherwise).listen();
  onTestFinished(() => server.close());
  return server;
}

/** The events of a request in Snowplow's protocol. */
export function eventsOf({ method, url, body }: Pick<Received, 'method' | 'url' | 'body'>): Record<string, string>[] {
  if (method === 'GET') return [Object.fromEntries(new URL(url, 'http://x').searchParams)];
  return body.length === 0 ? [] : JSON.parse(body.toString()).data;
}
