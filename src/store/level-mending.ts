import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LevelDatabase, LevelEngine, LevelOperation } from './level-database.ts';
import { SET_ASIDE, unsoundTables } from './level-inspection.ts';
import { readLog, soundRecords, writeLog } from './log-file.ts';
import { salvageTable, type TableEntry } from './table-file.ts';

/** Where LevelDB, too, puts the files that it has mended. */
const LOST = 'lost';

const AT_ONCE = 1_000;

/**
 * Mends a database that is not open, and opens it. What can still be read is there again afterwards; an event that was
 * deleted may be, too. If the process ends in between, it can be done again.
 *
 * @returns the database, and how many damaged tables there were
 */
export async function mend(engine: LevelEngine, folder: string): Promise<LevelDatabase> {
  for (const name of await unsoundTables(folder, () => true)) await setAside(folder, name);
  await dropUnsound(folder);
  await engine.repair(folder);
  const database = await engine.open(folder, false);
  try {
    await putBack(folder, database);
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

/** LevelDB mends logs without looking at checksums: it would take over parts of a write, a mark without its events, say. */
async function dropUnsound(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((one) => /^\d+\.log$/.test(one))) {
    const file = await readFile(join(folder, name));
    if (readLog(file).state === 'sound') continue;
    await mkdir(join(folder, LOST), { recursive: true, mode: 0o700 });
    await writeFile(join(folder, LOST, name), file);
    const next = join(folder, name.replace(/log$/, 'dbtmp'));
    await writeFile(next, writeLog(soundRecords(file)), { flush: true });
    await rename(next, join(folder, name));
  }
}

async function setAside(folder: string, name: string): Promise<void> {
  await rename(join(folder, name), join(folder, name.replace(/\.\w+$/, '.damaged')));
}

async function putBack(folder: string, database: LevelDatabase): Promise<void> {
  const tables = (await readdir(folder)).filter((name) => SET_ASIDE.test(name));
  if (tables.length === 0) return;
  const latest = new Map<string, TableEntry>();
  for (const name of tables) {
    for (const entry of salvageTable(await readFile(join(folder, name)))) {
      const key = entry.key.toString('latin1');
      const other = latest.get(key);
      if (other === undefined || other.sequence < entry.sequence) latest.set(key, entry);
    }
  }
  const operations = [...latest.values()].map(operation);
  for (let at = 0; at < operations.length; at += AT_ONCE) {
    await database.write(operations.slice(at, at + AT_ONCE), at + AT_ONCE >= operations.length);
  }
  await mkdir(join(folder, LOST), { recursive: true, mode: 0o700 });
  for (const name of tables) await rename(join(folder, name), join(folder, LOST, name));
}

function operation({ key, value }: TableEntry): LevelOperation {
  return value === undefined ? { type: 'del', key } : { type: 'put', key, value };
}
