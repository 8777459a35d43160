import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { oneOf } from '../../random.ts';
import { eventOf } from '../../store/crash/errand.ts';

/**
 * - failing: 5xx;
 * - hanging: no answer, until the mood changes; what came may have been taken all the same;
 * - small: 413 for more than a few events;
 * - refusing: 400 now and then, which makes dead letters;
 * - down: nobody listens.
 */
type Mood = 'well' | 'failing' | 'hanging' | 'small' | 'refusing' | 'down';

const MOODS: readonly Mood[] = ['well', 'well', 'well', 'well', 'failing', 'hanging', 'small', 'refusing', 'down'];
const LONGEST_MOOD = 400;
const FEW = 10;

/** A collector that is often out of order, and notes what it took. */
export class UnsteadyCollector {
  /** How often each id was taken. */
  readonly delivered: Map<number, number> = new Map();
  /** Events that were never made so. */
  garbled = 0;
  requests = 0;
  /** How often it answered with each status; `hung` and `down` too. */
  readonly answers: Record<string, number> = {};
  readonly #random: () => number;
  readonly #hanging: Set<ServerResponse> = new Set();
  #server: Server;
  #port = 0;
  #mood: Mood = 'well';
  #changing: Promise<void> | undefined;
  #isEnding = false;

  constructor(random: () => number) {
    this.#random = random;
    this.#server = this.#create();
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    await this.#listen();
  }

  /** From now on its mood changes. */
  begin(): void {
    this.#changing ??= this.#change();
  }

  /** Nobody listens, until it is calmed. */
  async leave(): Promise<void> {
    await this.#enter('down');
  }

  /** All is well from now on. */
  async calm(): Promise<void> {
    this.#isEnding = true;
    await this.#changing;
    await this.#enter('well');
  }

  async close(): Promise<void> {
    this.#isEnding = true;
    await this.#changing;
    await this.#shut();
  }

  async #change(): Promise<void> {
    while (!this.#isEnding) {
      await this.#enter(oneOf(this.#random, MOODS));
      await sleep(20 + this.#random() * LONGEST_MOOD);
    }
  }

  async #enter(mood: Mood): Promise<void> {
    this.#mood = mood;
    for (const response of this.#hanging) response.destroy();
    this.#hanging.clear();
    if (mood === 'down') {
      this.#count('down');
      await this.#shut();
    } else if (!this.#server.listening) await this.#listen();
  }

  async #shut(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** While it was down, its port may have been given to a connection; not for long. */
  async #listen(): Promise<void> {
    for (;;) {
      this.#server = this.#create().listen(this.#port, '127.0.0.1');
      const isOpen = await once(this.#server, 'listening').then(
        () => true,
        () => false,
      );
      if (isOpen) break;
      await sleep(20);
    }
    this.#port = (this.#server.address() as AddressInfo).port;
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
      this.requests++;
      const { data } = JSON.parse(Buffer.concat(parts).toString()) as { data: { id: number; stm: string }[] };
      this.#answer(data, response);
    });
  }

  #answer(events: readonly { readonly id: number; readonly stm: string }[], response: ServerResponse): void {
    const status = this.#statusFor(events.length);
    this.#count(status ?? 'hung');
    if (status === 200 || (status === undefined && this.#random() < 0.3)) for (const event of events) this.#note(event);
    if (status === undefined) this.#hanging.add(response);
    else response.writeHead(status).end();
  }

  /** Undefined for none. */
  #statusFor(count: number): number | undefined {
    if (this.#mood === 'failing') return oneOf(this.#random, [500, 502, 503]);
    if (this.#mood === 'hanging') return undefined;
    if (this.#mood === 'small' && count > FEW) return 413;
    if (this.#mood === 'refusing' && this.#random() < 0.2) return 400;
    return 200;
  }

  #count(answer: number | string): void {
    this.answers[answer] = (this.answers[answer] ?? 0) + 1;
  }

  #note({ stm, ...event }: { readonly id: number; readonly stm: string }): void {
    if (/^\d+$/.test(stm) && JSON.stringify(event) === JSON.stringify(eventOf(event.id))) {
      this.delivered.set(event.id, (this.delivered.get(event.id) ?? 0) + 1);
    } else {
      this.garbled++;
    }
  }
}
