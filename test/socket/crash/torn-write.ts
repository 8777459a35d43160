import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { oneOf } from '../../random.ts';

/**
 * Leaves behind the newest log of a database that is not open what a loss of power may leave there: the beginning of a record,
 * zeros, or rubbish. Nothing that was acknowledged is touched.
 */
export function tearLog(folder: string, random: () => number): void {
  if (!existsSync(folder)) return;
  const newest = readdirSync(folder)
    .filter((name) => /^\d+\.log$/.test(name))
    .sort()
    .at(-1);
  if (newest !== undefined) appendFileSync(join(folder, newest), oneOf(random, KINDS)(random));
}

const KINDS: readonly ((random: () => number) => Buffer)[] = [
  // A whole record of 4,000 bytes, of which less is there.
  (random) => Buffer.concat([Buffer.of(1, 2, 3, 4, 0xa0, 0x0f, 1), rubbish(Math.floor(random() * 1_000), random)]),
  (random) => Buffer.of(...rubbish(1 + Math.floor(random() * 6), random)),
  (random) => Buffer.alloc(1 + Math.floor(random() * 9_000)),
  (random) => rubbish(100 + Math.floor(random() * 5_000), random),
];

function rubbish(length: number, random: () => number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}
