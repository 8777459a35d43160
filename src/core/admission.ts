import { DroppedError, QueueFullError } from './errors.ts';

/** What the admission looks at. */
export interface Room {
  /** How many wait. */
  readonly waiting: number;
  /** How many more would be claimed at once. */
  readonly claimable: number;
  /** To be set while {@link Admission.roomMade} is to be called. */
  watched: boolean;
}

/** Refuse the newcomer, or drop the longest-waiting (by priority: the least urgent) for it. */
export const Overflow = { REJECT: 'reject', DROP_OLDEST: 'dropOldest' } as const;
export type Overflow = (typeof Overflow)[keyof typeof Overflow];

/** Somebody waits for room. */
interface Waiter {
  admit(): void;
}

/** Somebody waits until fewer than `size` payloads wait. */
interface SizeWatch {
  readonly size: number;
  resolve(): void;
}

/**
 * The bound on what waits, and those who wait for room, first come, first served. Room that is made goes to them
 * before anybody else can send, so a plain send never overtakes them.
 */
export class Admission {
  readonly #room: Room;
  readonly #maxSize: number;
  readonly #waiters: Set<Waiter> = new Set();
  readonly #sizes: Set<SizeWatch> = new Set();

  constructor(room: Room, maxSize: number) {
    this.#room = room;
    this.#maxSize = maxSize;
  }

  get hasRoom(): boolean {
    return this.#room.waiting < this.#maxSize || this.#room.claimable > 0;
  }

  /** Whether more wait than may: somebody has to be dropped. */
  get overfull(): boolean {
    return this.#room.waiting > this.#maxSize;
  }

  /** Calls `admit` once there is room and everybody who came before was admitted. Returns how to give up waiting. */
  enqueue(admit: () => void): () => void {
    const waiter: Waiter = { admit };
    if (this.#waiters.size === 0 && this.hasRoom) {
      admit();
      return () => undefined;
    }
    this.#waiters.add(waiter);
    this.#watch();
    return () => {
      this.#waiters.delete(waiter);
      this.#watch();
      this.roomMade();
    };
  }

  /** Resolves once fewer than `size` payloads wait. */
  sizeBelow(size: number): Promise<void> {
    if (this.#room.waiting < size) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sizes.add({ size, resolve });
      this.#watch();
    });
  }

  /** To be called whenever fewer wait or more can be claimed. */
  roomMade(): void {
    for (const waiter of this.#waiters) {
      if (!this.hasRoom) break;
      this.#waiters.delete(waiter);
      waiter.admit();
    }
    for (const watch of this.#sizes) {
      if (this.#room.waiting >= watch.size) continue;
      this.#sizes.delete(watch);
      watch.resolve();
    }
    this.#watch();
  }

  /** Admits everybody, room or not: the queue closes, and will refuse what they send. */
  close(): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.admit();
    }
    this.#watch();
  }

  refusal(): QueueFullError {
    return new QueueFullError(`the queue is full: ${this.#room.waiting} payloads wait, maxSize is ${this.#maxSize}`);
  }

  droppedFor(): DroppedError {
    return new DroppedError(`dropped: more than maxSize (${this.#maxSize}) payloads waited`);
  }

  #watch(): void {
    this.#room.watched = this.#waiters.size > 0 || this.#sizes.size > 0;
  }
}
