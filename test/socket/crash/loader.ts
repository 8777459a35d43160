import { setTimeout as sleep } from 'node:timers/promises';
import { eventOf } from '../../store/crash/errand.ts';
import { LineClient, type Place, type Reply } from '../line-client.ts';
import type { Issuer } from './issuer.ts';
import type { Notes } from './notes.ts';

interface Frame {
  readonly seq: number;
  readonly ids: readonly number[];
}

/** So many frames are on their way at once. */
const WINDOW = 20;
/** So many are added at a time: there are others. */
const MOST_NEW = 4;
const PAUSE = 5;
const RETRY = 10;

/**
 * A client that is never killed: it notes each id once it is acknowledged, repeats what is not when it has connected anew, and
 * watches the numbers that the daemon answers with.
 */
export class Loader {
  readonly #name: string;
  readonly #place: Place;
  readonly #issuer: Issuer;
  readonly #notes: Notes;
  readonly #issued: Notes;
  readonly #onAck: (count: number) => void;
  readonly #onForgotten: (message: string) => void;
  readonly #onRefused: (code: string) => void;
  readonly #random: () => number;
  /** Not acknowledged, in order. */
  #frames: Frame[] = [];
  #seq = 0;
  /** How often it had to take another name. */
  #renames = 0;
  #acked = 0;
  #isEnding = false;

  constructor(parts: {
    name: string;
    place: Place;
    issuer: Issuer;
    /** What it issued, and what of it was acknowledged. */
    issued: Notes;
    notes: Notes;
    random: () => number;
    onAck: (count: number) => void;
    /** The daemon has lost its number. */
    onForgotten: (message: string) => void;
    onRefused: (code: string) => void;
  }) {
    this.#name = parts.name;
    this.#place = parts.place;
    this.#issuer = parts.issuer;
    this.#issued = parts.issued;
    this.#notes = parts.notes;
    this.#random = parts.random;
    this.#onAck = parts.onAck;
    this.#onForgotten = parts.onForgotten;
    this.#onRefused = parts.onRefused;
  }

  get isIdle(): boolean {
    return this.#frames.length === 0;
  }

  end(): void {
    this.#isEnding = true;
  }

  /** Works until it is ended. */
  async run(): Promise<void> {
    while (!(this.#isEnding && this.isIdle)) {
      const client = await LineClient.connected(this.#place).catch(() => undefined);
      if (client === undefined) await sleep(RETRY);
      else await this.#life(client);
    }
  }

  async #life(client: LineClient): Promise<void> {
    client.send({ $: 'hello', version: 1, client: `${this.#name}-${this.#renames}` });
    const welcome = await client.next();
    if (welcome?.$ !== 'welcome') await sleep(RETRY);
    else if ((welcome.committed as number) < this.#acked) this.#rename(welcome.committed as number);
    else {
      this.#committed(welcome.committed as number);
      this.#send(client, this.#frames);
      await Promise.race([this.#read(client), this.#write(client)]);
    }
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
    this.#onRefused(String(code));
    if (retryable !== true) throw new Error(`refused for good: ${code}`);
    await sleep(RETRY);
  }

  async #write(client: LineClient): Promise<void> {
    while (!client.isClosed && !(this.#isEnding && this.isIdle)) {
      const fresh: Frame[] = [];
      while (!this.#isEnding && fresh.length < MOST_NEW && this.#frames.length + fresh.length < WINDOW) {
        const ids = this.#issuer.take(1 + Math.floor(this.#random() * 8));
        if (ids.length === 0) break;
        this.#issued.write(ids);
        fresh.push({ seq: ++this.#seq, ids });
      }
      this.#frames.push(...fresh);
      this.#send(client, fresh);
      await sleep(PAUSE);
    }
  }

  #send(client: LineClient, frames: readonly Frame[]): void {
    for (const { seq, ids } of frames) client.send({ $: 'events', seq, events: ids.map(eventOf) });
  }

  /** A daemon that has lost count must not be given the same name again. */
  #rename(committed: number): void {
    this.#onForgotten(`frame ${this.#acked} of ${this.#name} was acknowledged, and now only ${committed} is known`);
    this.#renames++;
    this.#frames = this.#frames.map(({ ids }, at) => ({ seq: at + 1, ids }));
    this.#seq = this.#frames.length;
    this.#acked = 0;
  }

  #committed(seq: number): void {
    if (seq > this.#seq) throw new Error(`frame ${seq} is acknowledged, and was never sent`);
    if (seq < this.#acked) this.#onForgotten(`frame ${this.#acked} was acknowledged, and then only frame ${seq}`);
    this.#acked = Math.max(this.#acked, seq);
    const done = this.#frames.filter((frame) => frame.seq <= seq);
    if (done.length === 0) return;
    this.#frames = this.#frames.slice(done.length);
    const ids = done.flatMap((frame) => frame.ids);
    void this.#notes.add(ids).then(() => this.#onAck(ids.length));
  }
}
