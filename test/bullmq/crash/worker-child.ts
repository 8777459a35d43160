/** A worker process of a campaign, which usually ends by SIGKILL. It notes at once what it begins and what it has done. */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Collector, ok, type Payload } from 'collector-queue';
import { BullMQCollectorQueue } from 'collector-queue/bullmq';
import { answerOf, type Errand, type StopOrder, taskOf, timeNow, type Word, type Work } from './errand.ts';

const errand = JSON.parse(process.argv[2] as string) as Errand;
const log = openSync(errand.log, 'a');
const silent = { info() {}, warn() {}, error() {} };

// Whoever wanted it is gone, however that came.
process.once('disconnect', leave);
const collectors = errand.keys.map(
  (key) =>
    new Collector(key, async ({ value }: Payload<Work>) => {
      note('begun', key, value);
      if (value.takes > 0) await sleep(value.takes);
      if (value.deadly === 'exit') process.exit(1);
      if (value.deadly === 'kill') process.kill(process.pid, 'SIGKILL');
      note('done', key, value);
      return ok(answerOf(value));
    }),
);
const queue = new BullMQCollectorQueue(collectors, { ...errand.options, role: 'worker', logger: silent });
await queue.initQueue();
tell('working');
process.once('message', async ({ stop }: StopOrder) => {
  const start = performance.now();
  await queue.shutDownQueue(stop);
  tell({ stopped: performance.now() - start });
  // It is to end by itself now: nothing that the queue left behind may keep it.
  process.off('disconnect', leave);
  process.disconnect();
});

function leave(): void {
  process.exit();
}

function tell(word: Word): void {
  process.send?.(word);
}

/** One line in one write, which outlasts the process. */
function note(what: 'begun' | 'done', key: string, { id }: Work): void {
  writeSync(log, `${what} ${taskOf(key, id)} ${process.pid} ${timeNow()}\n`);
}
