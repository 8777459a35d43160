import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export type Sent = Readonly<Record<string, unknown>>;

/** What a request is answered with: a status, never, or as the server likes. */
export type Answer = number | 'hang' | ((response: ServerResponse) => void);

/** The collector at the other end of the daemon: a server that notes what it takes. */
export class CollectorDouble {
  /** Events of requests that were answered with 2xx, in order. */
  readonly taken: Sent[] = [];
  /** Events of every request. */
  readonly batches: (readonly Sent[])[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  /** When each request came. */
  readonly times: number[] = [];
  answer: (events: readonly Sent[]) => Answer = () => 200;
  #server: Server;
  #port = 0;

  static async started(): Promise<CollectorDouble> {
    const collector = new CollectorDouble();
    await collector.start();
    onTestFinished(() => collector.stop());
    return collector;
  }

  constructor() {
    this.#server = this.#create();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    this.#server = this.#create();
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #create(): Server {
    return createServer(async (request, response) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of request) parts.push(part as Buffer);
      } catch {
        // Its sender was killed.
        return;
      }
      const { data } = JSON.parse(Buffer.concat(parts).toString()) as { readonly data: readonly Sent[] };
      this.batches.push(data);
      this.headers.push(request.headers);
      this.times.push(performance.now());
      const answer = this.answer(data);
      if (answer === 'hang') return;
      if (typeof answer === 'function') return answer(response);
      if (answer >= 200 && answer < 300) this.taken.push(...data);
      response.writeHead(answer).end();
    });
  }
}
