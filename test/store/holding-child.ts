/** Keeps a store open until it is killed. */
import { LevelEventStore } from 'collector-queue/store';

const store = new LevelEventStore(process.argv[2] as string);
await store.add({ n: 'held' });
setInterval(() => undefined, 60_000);
process.send?.('open');
