import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readLog } from './log-file.ts';
import { type ManifestContents, readManifest } from './manifest-file.ts';
import { isSoundTable } from './table-file.ts';

const TABLE = /^\d+\.(ldb|sst)$/;
const LOG = /^\d+\.log$/;

/** A table that LevelDB must not see, until what can be read of it was put back. */
export const SET_ASIDE: RegExp = /^\d+\.damaged$/;

/**
 * Reads every file of a database once, without LevelDB, which would not notice, or end the process. Nobody else may
 * write to them.
 *
 * @returns in words, what has to be mended
 */
export async function problemsOf(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  const problems = names.filter((name) => SET_ASIDE.test(name)).map((name) => `${name} was not put back`);
  const manifest = await readCurrent(folder, names);
  if (manifest === undefined) return [...problems, 'the manifest is damaged, or not there'];
  // It lost its end, and describes the database as it was: LevelDB would delete every table since.
  if (manifest.log !== 0 && !names.some((name) => LOG.test(name) && numberOf(name) === manifest.log)) {
    problems.push('the manifest is older than the rest');
  }
  for (const name of await unsoundTables(folder, (number) => manifest.tables.has(number))) {
    problems.push(`${name} is damaged`);
  }
  for (const name of names.filter((one) => LOG.test(one))) {
    // One that is torn is no surprise: LevelDB leaves the last record out.
    if (readLog(await readFile(join(folder, name))).state === 'damaged') problems.push(`${name} is damaged`);
  }
  return problems;
}

/**
 * @param isOfInterest - what is asked of the number of a table. One that is not in the manifest was being written when
 * the process ended, and is no longer of interest to anybody.
 */
export async function unsoundTables(folder: string, isOfInterest: (number: number) => boolean): Promise<string[]> {
  const unsound: string[] = [];
  for (const name of (await readdir(folder)).filter((one) => TABLE.test(one))) {
    if (isOfInterest(numberOf(name)) && !isSoundTable(await readFile(join(folder, name)))) unsound.push(name);
  }
  return unsound;
}

async function readCurrent(folder: string, names: readonly string[]): Promise<ManifestContents | undefined> {
  if (!names.includes('CURRENT')) return undefined;
  const current = await readFile(join(folder, 'CURRENT'), 'latin1');
  const name = current.slice(0, -1);
  if (!/^MANIFEST-\d+\n$/.test(current) || !names.includes(name)) return undefined;
  return readManifest(await readFile(join(folder, name)));
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10);
}
