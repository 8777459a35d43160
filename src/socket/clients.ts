import type { Result } from 'neverthrow';
import type { WrittenEvent } from '../store/index.ts';
import { type Commit, Lane, newTally, type Tally } from './lane.ts';
import { errorFrame, refusalOf, type ServerFrame } from './protocol.ts';

/** Where the answers to a client go: its connection of the moment. */
export interface ClientPeer {
  reply(frame: ServerFrame): void;
  /** Ends the connection, because the client has another one. */
  replace(): void;
}

/**
 * A client that said hello: which of its frames are durable, which are under way. It outlives its connections, so that a
 * repeat is known as one while the first is still being written.
 */
export class Client {
  readonly name: string;
  readonly #lane: Lane;
  #committed: number;
  /** The last frame that was taken; those up to it are durable or under way. */
  #taken: number;
  #peer: ClientPeer | undefined = undefined;
  #isAcknowledging = false;

  constructor(name: string, committed: number, commit: Commit, tally: Tally) {
    this.name = name;
    this.#committed = committed;
    this.#taken = committed;
    this.#lane = new Lane(commit, tally);
  }

  /** The number of the last frame that is durable. */
  get committed(): number {
    return this.#committed;
  }

  /** Whether it is connected, or something of it is being written. */
  get isPresent(): boolean {
    return this.#peer !== undefined || this.#taken !== this.#committed;
  }

  /** From now on answers go here. */
  connect(peer: ClientPeer): void {
    const before = this.#peer;
    this.#peer = peer;
    if (before !== peer) before?.replace();
  }

  disconnect(peer: ClientPeer): void {
    if (this.#peer === peer) this.#peer = undefined;
  }

  /** Takes a frame. `done` is called once it needs no memory any more. */
  take(seq: number, events: readonly WrittenEvent[], done: () => void): void {
    if (seq !== this.#taken + 1) {
      done();
      this.#answerOutOfTurn(seq);
      return;
    }
    this.#taken = seq;
    this.#lane.add({
      events,
      mark: { client: this.name, seq },
      answer: (outcome) => {
        done();
        this.#ended(seq, outcome);
      },
    });
  }

  /** Resolves once nothing of it is being written. */
  idle(): Promise<void> {
    return this.#lane.idle();
  }

  #answerOutOfTurn(seq: number): void {
    if (seq > this.#taken) {
      this.#peer?.reply(errorFrame('gap', `frame ${this.#taken + 1} is missing before frame ${seq}`, seq));
    } else if (seq <= this.#committed) {
      this.#peer?.reply({ $: 'ack', seq: this.#committed });
    }
    // Else it is under way, and will be answered.
  }

  #ended(seq: number, outcome: Result<unknown, Error>): void {
    if (outcome.isOk()) {
      this.#committed = seq;
      this.#acknowledgeSoon();
    } else if (seq <= this.#taken) {
      this.#taken = seq - 1;
      this.#peer?.reply(refusalOf(outcome.error, seq));
    } else {
      // It was taken before the one that it follows was refused.
      this.#answerOutOfTurn(seq);
    }
  }

  /** One answer for all that became durable together. */
  #acknowledgeSoon(): void {
    if (this.#isAcknowledging) return;
    this.#isAcknowledging = true;
    queueMicrotask(() => {
      this.#isAcknowledging = false;
      this.#peer?.reply({ $: 'ack', seq: this.#committed });
    });
  }
}

/** The clients that said hello, by name. */
export class Clients {
  readonly #clients: Map<string, Client> = new Map();
  readonly #commit: Commit;
  readonly #tally: Tally;

  /**
   * @param committed - the last durable frame of each client that the spool knows
   * @param tally - where their events are counted
   */
  constructor(commit: Commit, committed: ReadonlyMap<string, number>, tally: Tally = newTally()) {
    this.#commit = commit;
    this.#tally = tally;
    for (const [name, seq] of committed) this.#clients.set(name, new Client(name, seq, commit, tally));
  }

  get(name: string): Client {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = new Client(name, 0, this.#commit, this.#tally);
      this.#clients.set(name, client);
    }
    return client;
  }

  /** Forgets all but these, and those that are present. Returns the names of those that are forgotten. */
  forgetAllBut(kept: ReadonlySet<string>): string[] {
    const forgotten = [...this.#clients.values()].filter(({ name, isPresent }) => !isPresent && !kept.has(name));
    for (const { name } of forgotten) this.#clients.delete(name);
    return forgotten.map(({ name }) => name);
  }

  /** Resolves once nothing of any client is being written. */
  async idle(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.idle()));
  }
}
