import { chmod, mkdir, open, readdir, realpath, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreDamagedError } from './errors.ts';

/** The folder of a store: who may look into it, and what lies there. */

const OWNER_ONLY = 0o700;

const RECORDS = /^\d+\.(log|ldb|sst)$/;
const LOGS = /^\d+\.log$/;
const LEVEL_FILES = /^(\d+\.(log|ldb|sst|dbtmp|damaged)|MANIFEST-\d+|CURRENT|LOCK|LOG|LOG\.old|guard|lost|reserve)$/;
/** The file of a {@link DiskReserve}. */
export const RESERVE = 'reserve';

const FROM_THE_SYSTEM = 'lost+found';

/** What a new log, a new manifest and their names need beside the records. Bytes. */
const SLACK = 64 * 1_024;

/**
 * Makes the folder if there is none, and closes it to others.
 *
 * @returns its real path: LevelDB knows a folder that is open in this process by its name
 * @throws {@link StoreDamagedError} for a folder with other things in it, which is left as it is
 */
export async function prepareFolder(path: string): Promise<string> {
  const made = await mkdir(path, { recursive: true, mode: OWNER_ONLY });
  const folder = await realpath(path);
  if (made !== undefined) await syncMade(await realpath(made), folder);
  const foreign = (await readdir(folder)).filter((name) => !LEVEL_FILES.test(name) && name !== FROM_THE_SYSTEM);
  if (foreign.length > 0 && !(await hasFile(folder, 'CURRENT'))) {
    throw new StoreDamagedError(
      `${folder} holds other files than an event store's: give the store a folder of its own`,
    );
  }
  const { mode } = await stat(folder);
  if ((mode & 0o077) !== 0 && process.platform !== 'win32') await chmod(folder, OWNER_ONLY);
  return folder;
}

/** Each name that was made stands in the folder above it: from this one up to the first. */
async function syncMade(first: string, folder: string): Promise<void> {
  for (let name = folder; name.startsWith(first); name = dirname(name)) await syncFolder(dirname(name));
}

/** Whether there is no database yet, or one that was being made when its process ended. */
export async function isUnused(folder: string): Promise<boolean> {
  if (await hasFile(folder, 'CURRENT')) return false;
  for (const name of (await readdir(folder)).filter((one) => RECORDS.test(one))) {
    if ((await stat(join(folder, name))).size > 0) return false;
  }
  return true;
}

async function hasFile(folder: string, name: string): Promise<boolean> {
  return (await readdir(folder)).includes(name);
}

/** Makes new names in a folder last, where the system can do that. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What the disk still has for this process; undefined if nobody can tell. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return blocks === 0 ? undefined : bavail * bsize;
}

/** What the logs and tables of a database take. */
export async function recordBytes(folder: string): Promise<number> {
  return await bytesOf(folder, RECORDS);
}

/**
 * Whether the disk has room to open the database once more: its logs are written anew then. True if nobody can tell.
 */
export async function hasRoomToOpen(folder: string): Promise<boolean> {
  try {
    const free = await freeBytes(folder);
    return free === undefined || free >= (await bytesOf(folder, LOGS)) + SLACK;
  } catch {
    return true;
  }
}

async function bytesOf(folder: string, kind: RegExp): Promise<number> {
  const names = (await readdir(folder)).filter((name) => kind.test(name));
  // The database may just be deleting one.
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
