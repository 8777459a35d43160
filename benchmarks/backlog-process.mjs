/**
 * Fills an event store on disk, to be forked: `backlog-process.mjs <folder> <count> [spooled]`, with the events of the
 * benchmark of stores or with those of the spool. Ends with a message of how long that took and of its memory, so that
 * whoever opens the store next does so in a process that has not written it.
 */
import { addAll, openLevelStore, residentSince } from './event-stores.mjs';
import { collectGarbage } from './loads.mjs';
import { spooledEvents } from './spool-events.mjs';
import { trackedEvents } from './tracked-events.mjs';

const ADDERS = 1_000;

// Whoever wanted it has ended, however that came.
process.on('disconnect', () => process.exit());

const [folder, count, kind] = process.argv.slice(2);
const events = kind === 'spooled' ? spooledEvents(10_000) : trackedEvents(10_000);
const store = await openLevelStore(folder, { durability: 'sync' });
await collectGarbage();
const before = process.memoryUsage();
const start = performance.now();
await addAll(store, events, Number(count), ADDERS);
const fillMs = performance.now() - start;
await collectGarbage();
const { resident } = residentSince(before);
await store.close();
process.send({ fillMs, resident });
process.disconnect();
