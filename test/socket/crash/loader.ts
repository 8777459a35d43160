import { setTimeout as sleep } from 'node:timers/promises';
import { eventOf } from '../../store/crash/errand.ts';
import { LineClient, type Place, type Reply } from '../line-client.ts';
import type { Notes } from './notes.ts';

interface Frame {
  readonly seq: number;
  readonly ids: readonly number[];
}

/** So many frames are on their way at once. */
const WINDOW = 100;
const RETRY = 10;

/** Hands out ids, as many as are allowed by now. */
export class Issuer {
  allowed = 0;
  #next = 0;

  get issued(): number {
    return this.#next;
  }

  take(most: number): number[] {
    const ids: number[] = [];
    while (ids.length < most && this.#next < this.allowed) ids.push(this.#next++);
    return ids;
  }
}

/** A client of the daemon that notes each id once it is acknowledged, and repeats what is not when it has connected anew. */
export class Loader {
  readonly #name: string;
  readonly #place: Place;
  readonly #issuer: Issuer;
  readonly #notes: Notes;
  readonly #onAck: () => void;
  readonly #random: () => number;
  /** Not acknowledged, in order. */
  #frames: Frame[] = [];
  #seq = 0;
  #acked = 0;
  #isEnding = false;

  constructor(parts: {
    name: string;
    place: Place;
    issuer: Issuer;
    notes: Notes;
    random: () => number;
    onAck: () => void;
  }) {
    this.#name = parts.name;
    this.#place = parts.place;
    this.#issuer = parts.issuer;
    this.#notes = parts.notes;
    this.#random = parts.random;
    this.#onAck = parts.onAck;
  }

  get isIdle(): boolean {
    return this.#frames.length === 0;
  }

  end(): void {
    this.#isEnding = true;
  }

  /** Works until it is ended. */
  async run(): Promise<void> {
    while (!this.#isEnding) {
      const client = await LineClient.connected(this.#place).catch(() => undefined);
      if (client === undefined) await sleep(RETRY);
      else await this.#life(client);
    }
  }

  async #life(client: LineClient): Promise<void> {
    client.send({ $: 'hello', version: 1, client: this.#name });
    const welcome = await client.next();
    if (welcome?.$ === 'welcome') {
      this.#committed(welcome.committed as number);
      this.#send(client, this.#frames);
      await Promise.race([this.#read(client), this.#write(client)]);
    } else if (welcome === undefined) await sleep(RETRY);
    client.end();
  }

  async #read(client: LineClient): Promise<void> {
    for (let reply = await client.next(); reply !== undefined; reply = await client.next()) {
      if (reply.$ === 'ack') this.#committed(reply.seq as number);
      else if (reply.$ === 'error') return this.#refused(reply);
    }
  }

  /** Connecting anew is the simplest way to go back to the frame that was refused. */
  async #refused({ code, retryable }: Reply): Promise<void> {
    if (retryable !== true) throw new Error(`refused for good: ${code}`);
    await sleep(RETRY);
  }

  async #write(client: LineClient): Promise<void> {
    while (!client.isClosed && !(this.#isEnding && this.isIdle)) {
      const fresh: Frame[] = [];
      while (this.#frames.length + fresh.length < WINDOW) {
        const ids = this.#issuer.take(1 + Math.floor(this.#random() * 8));
        if (ids.length === 0) break;
        fresh.push({ seq: ++this.#seq, ids });
      }
      this.#frames.push(...fresh);
      this.#send(client, fresh);
      await sleep(2);
    }
  }

  #send(client: LineClient, frames: readonly Frame[]): void {
    for (const { seq, ids } of frames) client.send({ $: 'events', seq, events: ids.map(eventOf) });
  }

  #committed(seq: number): void {
    if (seq > this.#seq) throw new Error(`frame ${seq} is acknowledged, and was never sent`);
    if (seq < this.#acked) throw new Error(`frame ${this.#acked} was acknowledged, and now only ${seq} is known`);
    this.#acked = seq;
    const done = this.#frames.filter((frame) => frame.seq <= seq);
    if (done.length === 0) return;
    this.#frames = this.#frames.slice(done.length);
    this.#notes.add(done.flatMap(({ ids }) => ids));
    this.#onAck();
  }
}
