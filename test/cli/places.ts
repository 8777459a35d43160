import { join } from 'node:path';
import { CollectorDouble } from '../socket/collector-double.ts';
import { folder } from '../socket/scene.ts';

/** A collector to deliver to, and where a daemon keeps things. */
export interface Places {
  readonly collector: CollectorDouble;
  readonly store: string;
  readonly socket: string;
  /** What a daemon is to be started with, to use these. */
  readonly args: readonly string[];
}

export async function places(): Promise<Places> {
  const collector = await CollectorDouble.started();
  const place = folder();
  const [store, socket] = [join(place, 'spool'), join(place, 'd.sock')];
  const args = ['--store', store, '--listen', `unix:${socket}`, '--endpoint', collector.url, '--max-retry-delay', '50'];
  return { collector, store, socket, args };
}
