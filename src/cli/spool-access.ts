import { statSync } from 'node:fs';
import { join } from 'node:path';
import { askSpool, controlOf, DeadLetters, type SpoolAddress, type SpoolMetrics } from '../socket/index.ts';
import { LevelEventStore, StoreLockedError } from '../store/index.ts';
import { UsageError } from './command.ts';

/** Asks a spool, and yields its answers. */
export type Ask = (
  command: string,
  body?: Readonly<Record<string, unknown>>,
) => AsyncIterable<Readonly<Record<string, unknown>>>;

/** Lets `use` ask the spool: the running daemon over its socket, or the folder itself if no socket is named. */
export async function withSpool(
  folder: string | undefined,
  address: SpoolAddress | undefined,
  use: (ask: Ask) => Promise<void>,
): Promise<void> {
  if (address !== undefined && folder !== undefined) {
    throw new UsageError('it is either --store, or a running daemon: --socket, or --host and --port');
  }
  if (address !== undefined) return use((command, body) => askSpool(address, command, body));
  if (folder === undefined) throw new UsageError('--store or --socket is missing; see collector-queue spool --help');
  checkFolder(folder);
  const events = new LevelEventStore(join(folder, 'events'), {
    capacity: Number.MAX_SAFE_INTEGER,
    maxBytes: Number.MAX_SAFE_INTEGER,
  });
  const letters = new LevelEventStore(join(folder, 'dead-letters'));
  try {
    await openBoth(events, letters);
    const deadLetters = new DeadLetters(letters);
    const control = controlOf({ events, deadLetters, metrics: () => offlineMetrics(events, letters) });
    await use((command, body = {}) => control(command, body) as ReturnType<Ask>);
  } finally {
    await events.close();
    await letters.close();
  }
}

/** A store would be made where there is none. */
function checkFolder(folder: string): void {
  try {
    statSync(join(folder, 'events'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES') throw new UsageError(`--store ${folder}: this user may not look into it (EACCES)`);
    throw new UsageError(`--store ${folder}: there is no spool`);
  }
}

async function openBoth(events: LevelEventStore, letters: LevelEventStore): Promise<void> {
  try {
    await events.open();
    await letters.open();
  } catch (error) {
    if (!(error instanceof StoreLockedError)) throw error;
    throw new UsageError('a daemon has this spool open: name its socket with --socket');
  }
}

async function offlineMetrics(events: LevelEventStore, letters: LevelEventStore): Promise<SpoolMetrics> {
  const oldest = await events.oldest();
  return {
    received: 0,
    acknowledged: 0,
    refused: 0,
    stored: events.size,
    storedBytes: events.bytes,
    oldestAge: oldest === undefined ? 0 : Math.max(0, Date.now() - oldest),
    sent: 0,
    retried: 0,
    deadLettered: 0,
    deadLetters: letters.size,
    deadLettersFull: letters.size >= letters.capacity || letters.bytes >= letters.maxBytes,
    dropped: 0,
    quarantined: events.quarantined + letters.quarantined,
    connections: 0,
    retryDelay: 0,
    uptime: 0,
  };
}
