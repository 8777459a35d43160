import { QueueType } from 'collector-queue';

/** How the queue under test is set up. */
export interface Setup {
  readonly queueType: QueueType;
  readonly maxConsumers: number;
  readonly minConsumers: number;
  readonly maxSize: number;
  readonly overflow: 'reject' | 'dropOldest';
  /** Collectors that take every payload. */
  readonly collectors: number;
}

/** What an event is expected to have become: how its results ended, each collector's in order. */
export type Ending =
  | 'ok'
  | 'err'
  | 'cancelled'
  | 'cleared'
  | 'dropped'
  | 'full'
  | 'closed'
  | 'aborted'
  | 'shutdown-timeout';

export interface ModelEvent {
  readonly id: number;
  readonly priority: number;
  place: 'room' | 'waiting' | 'running' | 'settled';
  /** By collector; undefined while it runs. */
  endings: (Ending | undefined)[];
  /** Collectors whose work has not ended, also after the event settled. */
  readonly atWork: Set<number>;
}

/**
 * What a queue should do, as simply as it can be said: an array for what waits, a set for what runs. It knows nothing
 * of microtasks, slots or lists. `starts` is the dispatch order that the real queue must show.
 */
export class Model {
  readonly setup: Setup;
  readonly events: ModelEvent[] = [];
  readonly starts: number[] = [];
  readonly roomWaiters: ModelEvent[] = [];
  waiting: ModelEvent[] = [];
  /** Events whose work keeps a consumer. */
  readonly busy: Set<ModelEvent> = new Set();
  paused = false;
  closed = false;
  offered = 0;
  accepted = 0;
  rejected = 0;
  late = 0;

  constructor(setup: Setup) {
    this.setup = setup;
  }

  get settled(): number {
    return this.events.filter((event) => event.place === 'settled').length - this.rejected;
  }

  get inFlight(): number {
    return this.events.filter((event) => event.place === 'running').length;
  }

  send(priority: number): ModelEvent {
    const event = this.#newEvent(priority);
    this.#arrive(event);
    return event;
  }

  sendWhenReady(priority: number): ModelEvent {
    const event = this.#newEvent(priority);
    if (this.closed || (this.roomWaiters.length === 0 && this.#hasRoom())) this.#arrive(event);
    else this.roomWaiters.push(event);
    return event;
  }

  stopWaitingForRoom(event: ModelEvent): void {
    this.roomWaiters.splice(this.roomWaiters.indexOf(event), 1);
    this.events.splice(this.events.indexOf(event), 1);
  }

  /** One collector's work ends. */
  complete(event: ModelEvent, collector: number, ending: 'ok' | 'err'): void {
    event.atWork.delete(collector);
    if (event.place === 'settled') {
      this.late++;
    } else {
      event.endings[collector] = ending;
      if (event.atWork.size === 0) event.place = 'settled';
    }
    if (event.atWork.size === 0) this.busy.delete(event);
    this.settleDown();
  }

  cancel(event: ModelEvent, ending: Ending = 'cancelled'): void {
    if (event.place === 'settled') return;
    if (event.place === 'waiting') this.waiting.splice(this.waiting.indexOf(event), 1);
    this.#giveUp(event, ending);
    this.settleDown();
  }

  clear(): number {
    const cleared = this.waiting.splice(0);
    for (const event of cleared) this.#giveUp(event, 'cleared');
    this.settleDown();
    return cleared.length;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.settleDown();
  }

  /** Refuses what comes, and what waits for room. */
  close(): void {
    this.closed = true;
    for (const event of this.roomWaiters.splice(0)) this.#arrive(event);
  }

  giveUpAll(ending: Ending): void {
    for (const event of [...this.events]) {
      if (event.place === 'waiting' || event.place === 'running') this.#giveUp(event, ending);
    }
    this.waiting = [];
  }

  /** Consumers take what waits, those who wait for room get it; until nothing moves. */
  settleDown(): void {
    for (;;) {
      if (!this.paused && this.busy.size < this.setup.maxConsumers && this.waiting.length > 0) {
        this.#start(this.#next());
        this.#admit();
      } else if (!this.#admit()) {
        return;
      }
    }
  }

  #admit(): boolean {
    const [first] = this.roomWaiters;
    if (first === undefined || !this.#hasRoom()) return false;
    this.roomWaiters.shift();
    this.#arrive(first);
    return true;
  }

  #newEvent(priority: number): ModelEvent {
    const event: ModelEvent = { id: this.events.length, priority, place: 'room', endings: [], atWork: new Set() };
    this.events.push(event);
    return event;
  }

  #arrive(event: ModelEvent): void {
    this.offered++;
    if (this.closed) {
      this.#refuse(event, 'closed');
    } else if (this.#canClaim()) {
      this.accepted++;
      this.#start(event);
    } else if (this.setup.overflow === 'reject' && !this.#hasRoom()) {
      this.#refuse(event, 'full');
    } else {
      this.accepted++;
      event.place = 'waiting';
      this.waiting.push(event);
      if (this.waiting.length > this.setup.maxSize) this.#drop();
    }
  }

  #refuse(event: ModelEvent, ending: Ending): void {
    this.rejected++;
    event.place = 'settled';
    event.endings = [ending];
  }

  #drop(): void {
    const victim = this.#victim();
    this.waiting.splice(this.waiting.indexOf(victim), 1);
    this.#giveUp(victim, 'dropped');
  }

  #giveUp(event: ModelEvent, ending: Ending): void {
    if (event.endings.length === 0) event.endings = [ending];
    else event.endings = event.endings.map((present) => present ?? ending);
    event.place = 'settled';
  }

  #start(event: ModelEvent): void {
    event.place = 'running';
    event.endings = new Array(this.setup.collectors).fill(undefined);
    for (let collector = 0; collector < this.setup.collectors; collector++) event.atWork.add(collector);
    this.busy.add(event);
    this.starts.push(event.id);
  }

  #canClaim(): boolean {
    return !this.paused && this.waiting.length === 0 && this.busy.size < this.setup.maxConsumers;
  }

  #hasRoom(): boolean {
    return this.#canClaim() || this.waiting.length < this.setup.maxSize;
  }

  #next(): ModelEvent {
    const at = this.#indexOfNext();
    return this.waiting.splice(at, 1)[0] as ModelEvent;
  }

  #indexOfNext(): number {
    switch (this.setup.queueType) {
      case QueueType.FIFO:
        return 0;
      case QueueType.LIFO:
        return this.waiting.length - 1;
      case QueueType.PRIORITY:
        return this.waiting.findIndex((one) => this.waiting.every((other) => one.priority <= other.priority));
    }
  }

  #victim(): ModelEvent {
    if (this.setup.queueType !== QueueType.PRIORITY) return this.waiting[0] as ModelEvent;
    return this.waiting.findLast((one) => this.waiting.every((other) => one.priority >= other.priority)) as ModelEvent;
  }
}
