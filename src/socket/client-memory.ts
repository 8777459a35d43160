import type { Clock, Timer } from '../schedule/clock.ts';
import type { LevelEventStore } from '../store/index.ts';
import { type Client, Clients } from './clients.ts';
import type { Commit, Tally } from './lane.ts';
import { type ClientRecord, forgetClients, readClients, renewClients } from './marks.ts';

/** How often it is looked who is there, and who was silent for too long, at least. Milliseconds. */
const LOOKING = 3_600_000;

/** What it writes of a client that only lets hear from it is at most so many parts of the time to live old. */
const PARTS = 8;

/**
 * Which clients the spool remembers: each for at least `ttl` milliseconds after its last word, whatever that was. What it
 * sends is written with its events; that it is there at all, now and then.
 */
export class ClientMemory {
  readonly #store: LevelEventStore;
  readonly #clock: Clock;
  readonly #ttl: number;
  #clients: HeardClients | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #isStopped = false;

  constructor(store: LevelEventStore, clock: Clock, ttl: number) {
    this.#store = store;
    this.#clock = clock;
    this.#ttl = ttl;
  }

  /** The clients that are remembered. The store is open. */
  async recall(commit: Commit, tally: Tally): Promise<Clients> {
    const known = await readClients(this.#store);
    const old = [...known].filter(([, record]) => this.#isOld(record)).map(([name]) => name);
    await forgetClients(this.#store, old);
    for (const name of old) known.delete(name);
    const numbers = [...known].map(([name, { seq }]): [string, number] => [name, seq]);
    this.#clients = new HeardClients(commit, new Map(numbers), tally);
    return this.#clients;
  }

  /** From now on it looks by itself. */
  start(): void {
    if (this.#isStopped) return;
    const looked = (): void => this.start();
    const look = (): void => void this.#look().then(looked, looked);
    this.#timer = this.#clock.setTimer(look, Math.max(1, Math.min(LOOKING, this.#ttl / PARTS)), true);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const clients = this.#clients;
    const known = await readClients(this.#store);
    if (clients === undefined || this.#isStopped) return;
    const now = this.#clock.wall();
    const heard = new Set(clients.takeHeard(known.keys()));
    const kept = [...known].filter(([name, record]) => heard.has(name) || !this.#isOld(record)).map(([name]) => name);
    // Those that never sent anything are forgotten with the rest. Nothing is waited for before the write is under way: who
    // comes back meanwhile begins anew, and that must be written after it.
    await forgetClients(this.#store, clients.forgetAllBut(new Set(kept)));
    const stale = [...heard].filter((name) => now - (known.get(name)?.at ?? now) > this.#ttl / PARTS);
    await renewClients(this.#store, stale, now);
  }

  /** What it did not write yet is counted in its favour. */
  #isOld({ at }: ClientRecord): boolean {
    return this.#clock.wall() - at > this.#ttl + this.#ttl / PARTS;
  }
}

/** Notes who says hello. */
class HeardClients extends Clients {
  #saidHello: Set<string> = new Set();

  override get(name: string): Client {
    this.#saidHello.add(name);
    return super.get(name);
  }

  /** Those of these that are there, or were since this was called before. */
  takeHeard(names: Iterable<string>): string[] {
    const saidHello = this.#saidHello;
    this.#saidHello = new Set();
    return [...names].filter((name) => saidHello.has(name) || super.get(name).isPresent);
  }
}
