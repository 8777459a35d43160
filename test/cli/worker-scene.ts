import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyCollector } from 'collector-queue';
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { onTestFinished } from 'vitest';
import { folder } from '../socket/scene.ts';
import { Child } from './child.ts';

const DOOR = pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href;

/** A module with this code, which has what the package exports. Gives its path. */
export function moduleOf(code: string, name = 'collectors.mjs'): string {
  const path = join(folder(), name);
  writeFileSync(path, `import { Collector, err, ok } from '${DOOR}';\n${code}\n`);
  return path;
}

/** A worker that takes jobs; it is killed after the test if it lives by then. */
export async function worker(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Child> {
  const child = new Child(['worker', ...args], { env });
  onTestFinished(async () => void (await child.kill('SIGKILL')));
  await child.wrote('"message":"working"');
  return child;
}

/** Sends to what workers have announced; shut down after the test. */
export async function publisherTo(
  url: string,
  options: { readonly prefix?: string; readonly secret?: string } = {},
): Promise<BullMQCollectorQueue<AnyCollector>> {
  const queue = new BullMQCollectorQueue<AnyCollector>([], {
    connection: url,
    role: 'publisher',
    registryTimeout: 10_000,
    lookupInterval: 200,
    ...options,
  });
  queue.events.on('error-internal', () => undefined);
  onTestFinished(async () => {
    await queue.shutDownQueue({ drain: false, timeout: 1_000 });
  });
  await queue.initQueue();
  return queue;
}
