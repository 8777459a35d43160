import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ManifestContents, readManifest } from '../../src/store/manifest-file.ts';
import { randomOf } from '../random.ts';
import { logsOf } from './forgetful-level.ts';

/**
 * What becomes of what was written behind the last sync:
 *
 * - cut: a part of it is there, up to any byte;
 * - zeros: the same, and the file is as long as it was, with zeros;
 * - pages: some pages of it are there, others are zeros;
 * - hole: the same with the page in the middle;
 * - none: nothing is there, and no log that nobody has synced.
 */
export interface Loss {
  readonly kind: 'cut' | 'zeros' | 'pages' | 'hole' | 'none';
  readonly seed: number;
}

const PAGE = 4_096;
const RESERVE = 12 << 20;

/** A folder whose reserve takes no room, so that making it takes no time. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  writeFileSync(join(path, 'reserve'), '');
  truncateSync(join(path, 'reserve'), RESERVE);
}

/** The files of a store that is open, as they are at one moment, while LevelDB may be at work behind it. */
export async function snapshot(from: string, to: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    rmSync(to, { recursive: true, force: true });
    makeFolder(to);
    const before = stateOf(from);
    try {
      // To close the file of a lock is to give the lock up.
      for (const name of Object.keys(before)) copyFileSync(join(from, name), join(to, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (JSON.stringify(stateOf(from)) === JSON.stringify(before)) return;
    await sleep(2);
  }
  throw new Error('the files never come to rest');
}

function stateOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => /^(\d+\.(log|ldb)|MANIFEST-\d+|CURRENT)$/.test(name));
  const states = names.map((name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return [name, `${found?.size} ${found?.mtimeMs}`];
  });
  return Object.fromEntries(states) as Record<string, string>;
}

/** Takes from a copy what a loss of power would have taken. */
export function losePower(folder: string, durable: ReadonlyMap<string, number>, { kind, seed }: Loss): void {
  const random = randomOf(seed);
  const manifest = manifestOf(folder);
  for (const name of readdirSync(folder).filter((one) => /^\d+\.ldb$/.test(one))) {
    if (!manifest.tables.has(Number.parseInt(name, 10))) loseTable(join(folder, name), random);
  }
  for (const name of logsOf(folder)) {
    const path = join(folder, name);
    const kept = durable.get(name) ?? 0;
    if (kind === 'none' && kept === 0 && Number.parseInt(name, 10) > manifest.log) rmSync(path);
    else writeFileSync(path, rest(readFileSync(path), kept, kind, random));
  }
}

/** It was being written, and nobody relies on it yet; or not any more. */
function loseTable(path: string, random: () => number): void {
  if (random() < 0.5) rmSync(path);
  else truncateSync(path, Math.floor(random() * statSync(path).size));
}

function rest(file: Buffer, durable: number, kind: Loss['kind'], random: () => number): Buffer {
  const end = durable + Math.floor(random() * (file.length - durable + 1));
  if (kind === 'none') return file.subarray(0, durable);
  if (kind === 'cut') return file.subarray(0, end);
  const left = Buffer.from(file);
  if (kind === 'zeros') return left.fill(0, end);
  if (kind === 'hole') {
    const middle = (durable + left.length) >> 1;
    return left.fill(0, Math.max(durable, middle - (middle % PAGE)), middle - (middle % PAGE) + PAGE);
  }
  for (let at = durable; at < left.length; at += PAGE - (at % PAGE)) {
    if (random() < 0.5) left.fill(0, at, Math.min(left.length, at + PAGE - (at % PAGE)));
  }
  return left;
}

function manifestOf(folder: string): ManifestContents {
  const name = readFileSync(join(folder, 'CURRENT'), 'latin1').trim();
  return readManifest(readFileSync(join(folder, name))) as ManifestContents;
}
