import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventOf } from '../../store/crash/errand.ts';

/** A collector that fails at times, and notes what it took. */
export class UnsteadyCollector {
  /** How often each id was taken. */
  readonly delivered: Map<number, number> = new Map();
  /** Events that were never issued so. */
  foreign = 0;
  refused = 0;
  readonly #server: Server;

  /** @param random - decides what fails */
  constructor(random: () => number) {
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of request) parts.push(part as Buffer);
      } catch {
        // Its sender was killed.
        return;
      }
      if (random() < 0.1) {
        this.refused++;
        response.writeHead(random() < 0.5 ? 503 : 500).end();
        return;
      }
      const { data } = JSON.parse(Buffer.concat(parts).toString()) as { data: { id: number; stm: string }[] };
      for (const event of data) this.#note(event);
      response.end();
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #note({ stm, ...event }: { readonly id: number; readonly stm: string }): void {
    if (/^\d+$/.test(stm) && JSON.stringify(event) === JSON.stringify(eventOf(event.id))) {
      this.delivered.set(event.id, (this.delivered.get(event.id) ?? 0) + 1);
    } else {
      this.foreign++;
    }
  }
}
