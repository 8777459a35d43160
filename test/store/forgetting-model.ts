import { LevelEventStore, type LevelEventStoreOptions } from 'collector-queue/store';
import { type Clock, systemClock } from '../../src/schedule/clock.ts';
import { quiet } from './damage.ts';
import type { ForgetfulLevel } from './forgetful-level.ts';

/** Several events with the number of the frame that brought them. */
interface Frame {
  readonly client: string;
  readonly seq: number;
  readonly events: readonly number[];
  acknowledged: boolean;
  /** How often it was sent. */
  attempts: number;
}

export type Step =
  /** A frame with so many events, of this client and those after it, at the same time. */
  | { readonly kind: 'send'; readonly client: number; readonly sizes: readonly number[]; readonly padding: number }
  /** The next write fails: its frames are refused, and come again. */
  | { readonly kind: 'fail'; readonly fate: 'written' | 'not written' }
  | { readonly kind: 'deliver'; readonly count: number }
  | { readonly kind: 'reopen' };

/** What a store holds after the power is back. */
interface Found {
  readonly events: readonly number[];
  readonly marks: ReadonlyMap<string, string>;
  /** Records that are there, and are no events. */
  readonly damaged: number;
}

function eventOf(n: number, padding: number): { readonly n: number; readonly text: string } {
  // Cannot be compressed much.
  const word = ((n * 2_654_435_761) % 4_294_967_291).toString(36);
  return { n, text: word.repeat(1 + (n % 9)).padEnd(padding, word) };
}

/** The most frames that can be sent at the same time. */
export const CLIENTS = 4;

/** Nothing that may be tried again later has to wait. */
const HASTE: Clock = { ...systemClock, now: () => systemClock.now() * 1_000_000 };

/** Adds to a store and empties it, and knows what must be in it. */
export class ForgettingModel {
  readonly #path: string;
  readonly #options: LevelEventStoreOptions;
  readonly #engine: ForgetfulLevel;
  readonly #frames: Frame[] = [];
  /** Events that were delivered: they may be there again. */
  readonly #delivered: Set<number> = new Set();
  readonly #texts: Map<number, string> = new Map();
  #store: LevelEventStore;

  constructor(path: string, options: LevelEventStoreOptions, engine: ForgetfulLevel) {
    this.#path = path;
    this.#options = { ...options, logger: quiet, clock: HASTE };
    this.#engine = engine;
    this.#store = this.#make();
  }

  async do(step: Step): Promise<void> {
    if (step.kind === 'send') await this.#send(step);
    else if (step.kind === 'fail') this.#engine.fates.push(step.fate);
    else if (step.kind === 'deliver') await this.#deliver(step.count);
    else {
      await this.#store.close();
      this.#store = this.#make();
      await this.#store.open();
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /**
   * What is wrong with a store that was left so; nothing, if it is undefined.
   *
   * @param isHoled - what was being written has a hole: a part of it may be there, without its mark, and come a second time
   */
  problem({ events, marks, damaged }: Found, isHoled: boolean): string | undefined {
    const there = new Set(events);
    const stranger = events.find((n) => !this.#texts.has(n));
    if (stranger !== undefined) return `nobody has added event ${stranger}`;
    const times = new Map<number, number>();
    for (const n of events) times.set(n, (times.get(n) ?? 0) + 1);
    for (const frame of this.#frames) {
      const most = Math.max(0, ...frame.events.map((n) => times.get(n) ?? 0));
      if (most > frame.attempts) return `frame ${frame.seq} of ${frame.client} is there ${most} times`;
      const wrong = this.#problemOf(frame, there, Number(marks.get(frame.client) ?? 0), isHoled);
      if (wrong !== undefined) return `frame ${frame.seq} of ${frame.client} ${wrong}`;
    }
    return damaged > 0 && !isHoled ? `${damaged} records are damaged` : undefined;
  }

  /** Opens a store, empties it, and sees whether it still works. Throws if it cannot be opened, or has what it should not. */
  async examine(path: string): Promise<Found> {
    const store = new LevelEventStore(path, { logger: quiet, durability: 'os' });
    try {
      await store.open();
      const marks = await store.marks();
      const events: number[] = [];
      for await (const { event } of store.list()) {
        if (event?.text !== this.#texts.get(event?.n as number)) throw new Error(`not as it was: ${event?.n}`);
        events.push(event?.n as number);
      }
      const { size } = store;
      const taken = await store.take({ count: events.length + 1 });
      if (taken.length !== events.length) throw new Error('it does not hand out all that it holds');
      await store.ack(taken.map(({ id }) => id));
      const id = (await store.add({ n: -1 }))._unsafeUnwrap();
      if ((await store.take({ count: 2 }))[0]?.id !== id) throw new Error('it does not hand out what is new');
      return { events, marks, damaged: size - events.length };
    } finally {
      await store.close();
    }
  }

  #make(): LevelEventStore {
    return new LevelEventStore(this.#path, this.#options, this.#engine);
  }

  async #send({ client, sizes, padding }: Step & { kind: 'send' }): Promise<void> {
    const sent = sizes.map(async (size, at) => {
      const name = `client-${(client + at) % CLIENTS}`;
      const seq = this.#frames.filter((frame) => frame.client === name).length + 1;
      const events = Array.from({ length: size }, () => this.#newEvent(padding));
      const frame: Frame = { client: name, seq, events: events.map(({ n }) => n), acknowledged: false, attempts: 0 };
      this.#frames.push(frame);
      // What follows a refused frame waits for it, so the client has one under way.
      while (!frame.acknowledged) {
        frame.attempts++;
        frame.acknowledged = (await this.#store.addAll(events, { [name]: String(seq) })).isOk();
      }
    });
    await Promise.all(sent);
  }

  async #deliver(count: number): Promise<void> {
    const taken = await this.#store.take({ count });
    for (const { event } of taken) this.#delivered.add(event.n as number);
    await this.#store.ack(taken.map(({ id }) => id));
  }

  #newEvent(padding: number): { readonly n: number; readonly text: string } {
    const event = eventOf(this.#texts.size, padding);
    this.#texts.set(event.n, event.text);
    return event;
  }

  #problemOf(frame: Frame, there: ReadonlySet<number>, mark: number, isHoled: boolean): string | undefined {
    const isMarked = mark >= frame.seq;
    if (frame.acknowledged && !isMarked) return `was acknowledged, and the mark is ${mark}`;
    const due = frame.events.filter((n) => !this.#delivered.has(n));
    const missing = due.filter((n) => !there.has(n));
    if (isMarked && missing.length > 0) {
      return `${frame.acknowledged ? 'was acknowledged' : `has a mark of ${mark}`}, and lacks ${missing.length} events`;
    }
    if (!isMarked && !isHoled && missing.length < due.length) return `has events, and no mark but ${mark}`;
    return undefined;
  }
}
