import { timeNow } from './errand.ts';
import { type CampaignOptions, Promises, type Report, spread } from './report.ts';
import { Scene } from './scene.ts';

const LOOKUP_INTERVAL = 600;
/** A look that comes just before the flush, the next one, and a second look in case that the job just moved. */
const WITHIN = 2 * LOOKUP_INTERVAL + 500;
/** What a busy machine may add. */
const SLACK = 3_000;

/** Empties Redis while jobs are waited for that run, wait or are delayed. */
export async function flushRedis({
  flushes,
  progress,
  signal,
}: CampaignOptions & { readonly flushes: number }): Promise<Report> {
  await using scene = await Scene.begin({
    keys: ['work'],
    queue: { concurrency: 5, lookupInterval: LOOKUP_INTERVAL, lockDuration: 2_000, stalledInterval: 1_000 },
  });
  const promises = new Promises();
  const loader = await scene.loader();
  await scene.workers.beginAll(1);
  const times: number[] = [];
  const outcomes = { lost: 0, ok: 0, other: 0, hung: 0 };
  for (let flush = 0; flush < flushes; flush++) {
    signal?.throwIfAborted();
    const events = Array.from({ length: 120 }, (_, at) =>
      loader.send({ takes: 50 }, at % 3 === 0 ? { delay: 600_000 } : {}),
    );
    let flushed = 0;
    const waits = events.map(async (event) => {
      try {
        const list = await event.wait({ timeout: 60_000 });
        if (list.isOk()) outcomes.ok++;
        else if (list.errs().every((error) => (error as { code?: string }).code === 'CQ_JOB_LOST')) {
          outcomes.lost++;
          times.push(timeNow() - flushed);
        } else outcomes.other++;
      } catch {
        outcomes.hung++;
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await scene.redis.command('FLUSHALL');
    flushed = timeNow();
    await Promise.all(waits);
    const after = Array.from({ length: 20 }, () => loader.send({ takes: 1 }));
    const lists = await Promise.all(after.map((event) => event.wait({ timeout: 60_000 }).catch(() => undefined)));
    const works = lists.filter((list) => list?.isOk()).length;
    promises.check(works === 20, `after flush ${flush + 1}, ${works} of 20 payloads were worked on`);
    progress?.(`${flush + 1} flushes, ${outcomes.lost} told to be lost`);
  }
  const slowest = Math.max(...times);
  promises.check(outcomes.lost > 0, 'nothing was told to be lost');
  promises.check(outcomes.other === 0, `${outcomes.other} ended otherwise than by a JobLostError`);
  promises.check(outcomes.hung === 0, `${outcomes.hung} were waited for in vain`);
  promises.check(slowest <= WITHIN + SLACK, `a loss was told after ${Math.round(slowest)} ms, not ${WITHIN}`);
  return {
    line:
      `flushes: told lost ${outcomes.lost} / done before ${outcomes.ok} / otherwise ${outcomes.other} / hung ${outcomes.hung} / ` +
      `flushes ${flushes} / ${spread('told within', times)} (lookupInterval ${LOOKUP_INTERVAL})`,
    broken: promises.broken,
  };
}
