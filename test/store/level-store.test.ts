import { join } from 'node:path';
import { LevelEventStore } from 'collector-queue/store';
import { describeEventStore } from '../contracts/event-store.ts';
import { scratchFolder } from './scene.ts';

const scratch = scratchFolder();
let made = 0;

describeEventStore({
  name: 'LevelEventStore',
  make: (options) => {
    made++;
    const given = options === null ? options : { durability: 'os' as const, ...options };
    return new LevelEventStore(join(scratch, String(made)), given);
  },
  reopen: async (store) => {
    await store.close();
    const { path, capacity, overflow, durability } = store as LevelEventStore;
    const next = new LevelEventStore(path, { capacity, overflow, durability });
    await next.open();
    return next;
  },
  numRuns: Math.ceil(Number(process.env.FC_RUNS) / 10),
});
