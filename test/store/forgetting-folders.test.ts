import { open, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { expect, test, vi } from 'vitest';
import { quiet } from './damage.ts';
import { scratchFolder } from './scene.ts';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open) };
});

const scratch = scratchFolder();

/** A folder is opened for nothing else. */
function syncedFolders(): string[] {
  return vi
    .mocked(open)
    .mock.calls.filter(([, flags]) => flags === 'r')
    .map(([path]) => String(path));
}

test('every folder that is made for a store is synced into the one that it stands in', async () => {
  const path = join(await realpath(scratch), 'a', 'b', 'store');
  const store = new LevelEventStore(path, { logger: quiet });
  await store.open();
  const parents = [path, dirname(path), dirname(dirname(path)), dirname(dirname(dirname(path)))];
  expect([...new Set(syncedFolders())].sort()).toEqual(parents.sort());
  await store.close();
});
