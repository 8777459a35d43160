import type { Timer } from '../schedule/clock.ts';
import { NoCollectorsError } from './errors.ts';
import type { Notes } from './notes.ts';
import type { Routes } from './routes.ts';
import type { BullMQQueueSettings } from './settings.ts';

/** How soon the registry is read again for the sake of an unknown key, and while none is announced. Milliseconds. */
const PAUSE = 250;

/** Keeps a publisher without collectors of its own informed about those of the workers. */
export class RegistryReader {
  readonly #notes: Notes;
  readonly #routes: Routes;
  readonly #settings: BullMQQueueSettings;
  readonly #report: (error: unknown) => void;
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(notes: Notes, routes: Routes, settings: BullMQQueueSettings, report: (error: unknown) => void) {
    this.#notes = notes;
    this.#routes = routes;
    this.#settings = settings;
    this.#report = report;
  }

  /** Resolves once there are collectors. Rejects with a {@link NoCollectorsError} if none comes in time. */
  async start(): Promise<void> {
    const { clock, registryTimeout } = this.#settings;
    const deadline = clock.now() + registryTimeout;
    await this.#read();
    while (this.#routes.keys.length === 0) {
      if (clock.now() >= deadline) throw new NoCollectorsError('no worker has announced a collector');
      await new Promise<void>((resolve) => clock.setTimer(resolve, PAUSE));
      await this.#read();
    }
    this.#readAgain();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Reads the announcements for the sake of an unknown key; not more often than it makes sense. */
  readonly findMore = async (): Promise<void> => {
    if (this.#settings.clock.now() - this.#readAt < PAUSE) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  };

  async #read(): Promise<void> {
    const { clock, registryTtl } = this.#settings;
    const announcements = await this.#notes.announced(clock.wall(), registryTtl);
    this.#readAt = clock.now();
    // A registry that is empty all of a sudden was flushed: the workers will announce themselves again.
    if (announcements.length > 0) this.#routes.useAnnounced(announcements);
  }

  #readAgain(): void {
    if (this.#stopped) return;
    const { clock, registryInterval } = this.#settings;
    this.#timer = clock.setTimer(
      () => {
        void this.#read().catch(this.#report);
        this.#readAgain();
      },
      registryInterval,
      true,
    );
  }
}
