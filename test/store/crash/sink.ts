import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventOf } from './errand.ts';
import type { CampaignResult } from './run.ts';

/** A server that notes the events it is sent. */
export class Sink {
  /** How often each id came. */
  readonly delivered: Map<number, number> = new Map();
  readonly #server: Server;
  #garbled = 0;

  static async open(): Promise<Sink> {
    const sink = new Sink();
    sink.#server.listen(0, '127.0.0.1');
    await once(sink.#server, 'listening');
    return sink;
  }

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      try {
        for await (const part of request) parts.push(part as Buffer);
      } catch {
        // Its sender was killed.
        return;
      }
      for (const event of JSON.parse(Buffer.concat(parts).toString()) as { id: number }[]) this.#note(event);
      response.end();
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  compare(acked: readonly number[], offered: number): Omit<CampaignResult, 'kills'> {
    const counts = [...this.delivered.values()];
    return {
      acked: acked.length,
      lost: acked.filter((id) => !this.delivered.has(id)).length,
      duplicated: counts.reduce((sum, count) => sum + count - 1, 0),
      foreign: this.#garbled + [...this.delivered.keys()].filter((id) => id < 0 || id >= offered).length,
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #note(event: { readonly id: number }): void {
    if (JSON.stringify(event) === JSON.stringify(eventOf(event.id))) {
      this.delivered.set(event.id, (this.delivered.get(event.id) ?? 0) + 1);
    } else {
      this.#garbled++;
    }
  }
}
