/** Folders on disk for the benchmarks that write, and what kind of disk that is. */

import { mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'collector-queue-bench-';
const IN_MEMORY = 'tmpfs';

/** By the number that the kernel gives them. */
const FILE_SYSTEMS = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
  [0x01021994, IN_MEMORY],
]);

/** Where the folders are made, and the file system there. */
export const disk = `${tmpdir()} on ${fileSystem()}`;

/** Calls back with a new folder, which is gone afterwards. */
export async function withFolder(use) {
  if (fileSystem() === IN_MEMORY) throw new Error(`${disk}, which is memory: name a folder on a disk as TMPDIR`);
  sweep();
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fileSystem() {
  const { type } = statfsSync(tmpdir());
  return FILE_SYSTEMS.get(type) ?? `a file system of type ${type}`;
}

/** Removes what processes left behind that were killed. */
function sweep() {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    if (pid > 0 && !isAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}
