import { setTimeout as sleep } from 'node:timers/promises';

/** What can be seen of the work from outside. */
export interface Watched {
  readonly random: () => number;
  /** Whether the daemon takes connections. */
  isListening(): boolean;
  /** How often it has acknowledged anything. */
  acks(): number;
  /** Whether as much was acknowledged as should be by now. */
  isDue(): boolean;
  /** Requests that have reached the collector. */
  requests(): number;
  /** Messages of the client in question. */
  heard(): number;
  /** Throws if somebody else has ended; true if nothing is to be waited for any more. */
  check(): boolean;
}

type Wait = (watched: Watched) => Promise<void>;

/** How long a daemon, or a client, takes to start, and somewhat more. Milliseconds. */
const STARTING = 700;
const MOST_BATCHES = 30;
/** A collector that is down gets no requests. Milliseconds. */
const PATIENCE = 1_000;
/** A daemon with a full disk acknowledges nothing. Milliseconds. */
const LONG_PATIENCE = 5_000;

async function until(watched: Watched, condition: () => boolean, limit = Number.POSITIVE_INFINITY): Promise<void> {
  const end = performance.now() + limit;
  while (!watched.check() && !condition() && performance.now() < end) await sleep(1);
}

async function working(watched: Watched): Promise<void> {
  await until(watched, watched.isListening);
  await until(watched, watched.isDue, LONG_PATIENCE);
}

/** When to kill a daemon. */
export const DAEMON_MOMENTS = {
  /** It loads, opens the store, and counts what it holds. */
  start: ({ random }) => sleep(random() * STARTING),
  /** Clients come back, and say what they have. */
  accept: async (watched) => {
    await until(watched, watched.isListening);
    await sleep(watched.random() * 30);
  },
  /** One group was synced, the next is being written. */
  commit: async (watched) => {
    await working(watched);
    const before = watched.acks();
    await until(watched, () => watched.acks() > before, PATIENCE);
    await sleep(watched.random() * 5);
  },
  /** A batch has arrived, the first or a later one; its answer is on the way, or its deletion. */
  forward: async (watched) => {
    await working(watched);
    const wanted = watched.requests() + 1 + watched.random() * MOST_BATCHES;
    await until(watched, () => watched.requests() >= wanted, PATIENCE);
    await sleep(watched.random() * 5);
  },
  anywhere: async (watched) => {
    await working(watched);
    await sleep(watched.random() * 250);
  },
} satisfies Record<string, Wait>;

/** When to kill a client. */
export const CLIENT_MOMENTS = {
  start: ({ random }) => sleep(random() * STARTING),
  /** It asks for ids, or has noted some. */
  busy: async (watched) => {
    await working(watched);
    const before = watched.heard();
    await until(watched, () => watched.heard() > before, PATIENCE);
    await sleep(watched.random() * 20);
  },
  anywhere: async (watched) => {
    await working(watched);
    await sleep(watched.random() * 250);
  },
} satisfies Record<string, Wait>;
