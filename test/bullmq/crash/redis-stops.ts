import { setTimeout as sleep } from 'node:timers/promises';
import { timeNow } from './errand.ts';
import { type CampaignOptions, Promises, quantile, type Report, until } from './report.ts';
import { Scene } from './scene.ts';

/** How long Redis may be silent until a send fails. Milliseconds. */
const SEND_TIMEOUT = 400;
const SHUTDOWN_TIMEOUT = 1_500;
/** Sends that may wait for Redis. */
const MOST_HELD = 100;
/** What a busy machine may add to any of these. */
const SLACK = 3_000;

/**
 * Stops Redis, so that connections stay open and nothing is answered, while payloads are sent. Meanwhile sends fail soon or
 * wait within their bound, and queues can be shut down; afterwards all goes on by itself.
 */
export async function stopRedis({
  stops,
  forMs,
  progress,
  signal,
}: CampaignOptions & { readonly stops: number; readonly forMs: number }): Promise<Report> {
  await using scene = await Scene.begin({
    keys: ['work'],
    queue: {
      concurrency: 10,
      lockDuration: 2_000,
      stalledInterval: 1_000,
      lookupInterval: 1_000,
      sendTimeout: SEND_TIMEOUT,
    },
  });
  const { redis, workers } = scene;
  const promises = new Promises();
  const failing = await scene.loader();
  const queueing = await scene.loader({ whenAway: { queue: MOST_HELD } });
  const loaders = [failing, queueing];
  await workers.beginAll(2);
  const shutdowns: number[] = [];
  const late: number[] = [];
  const recoveries: number[] = [];
  let atOnce = 0;
  for (let stop = 0; stop < stops; stop++) {
    signal?.throwIfAborted();
    const [leaving] = await workers.beginAll(1);
    const quitting = await scene.loader();
    for (const loader of loaders) for (let count = 0; count < 50; count++) loader.ask({ takes: 20 });
    quitting.ask({ takes: 0 });
    await sleep(50);
    redis.pause();
    const paused = performance.now();
    try {
      const before = failing.refusals.length;
      for (const loader of loaders) for (let count = 0; count < 20; count++) loader.send({ takes: 0 });
      const told = await until(() => failing.open === 0, { within: SEND_TIMEOUT + SLACK, signal });
      promises.check(told, `${failing.open} sends neither failed nor were acknowledged while Redis was silent`);
      late.push(...failing.refusals.slice(before));
      const known = failing.refusals.length;
      for (let count = 0; count < 20; count++) failing.send({ takes: 0 });
      await until(() => failing.open === 0, { within: SLACK, signal });
      atOnce = Math.max(atOnce, ...failing.refusals.slice(known));
      promises.check(failing.refusals.length === known + 20, 'sends did not fail though Redis was known to be silent');

      const refused = queueing.refusals.length;
      const held = queueing.held;
      for (let count = 0; count < 2 * MOST_HELD; count++) queueing.send({ takes: 0 });
      promises.check(queueing.held <= Math.max(held, MOST_HELD), `${queueing.held} sends wait, not ${MOST_HELD}`);
      await sleep(0);
      promises.check(queueing.refusals.length - refused >= MOST_HELD, 'sends beyond the bound were not refused');

      const start = performance.now();
      const [child] = await Promise.all([
        leaving?.stop(SHUTDOWN_TIMEOUT),
        quitting.stop(SHUTDOWN_TIMEOUT).then(() => shutdowns.push(performance.now() - start)),
      ]);
      shutdowns.push(child ?? Number.POSITIVE_INFINITY);
      const gone = await until(() => leaving?.hasEnded === true, { within: SLACK, signal });
      promises.check(gone, 'a worker that was shut down while Redis was silent did not end');
      await sleep(Math.max(0, forMs - (performance.now() - paused)));
    } finally {
      redis.resume();
    }
    const back = timeNow();
    const acked = await until(() => queueing.ackedAt > back && queueing.open === 0, { within: 30_000, signal });
    promises.check(acked, `${queueing.held} sends still wait though Redis answers again`);
    recoveries.push(timeNow() - back);
    progress?.(`Redis stopped ${stop + 1} times for ${Math.round(performance.now() - paused)} ms`);
  }
  await scene.allDone(loaders, { signal });
  await Promise.all(loaders.map((loader) => loader.allAnswered()));

  const lost = scene.lost(...loaders);
  promises.check(lost.length === 0, `${lost.length} lost: ${lost.slice(0, 10)}`);
  promises.check(Math.max(...late) <= SEND_TIMEOUT + SLACK, `a send took ${Math.max(...late)} ms to fail`);
  const longest = Math.max(...shutdowns);
  promises.check(longest <= SHUTDOWN_TIMEOUT + SLACK, `a shutdown within ${SHUTDOWN_TIMEOUT} ms took ${longest} ms`);
  for (const { badAnswers } of loaders) {
    promises.check(badAnswers.length === 0, `wrong answers: ${badAnswers.slice(0, 10).join('; ')}`);
  }
  const acked = loaders.reduce((sum, loader) => sum + loader.acked.size, 0);
  return {
    line:
      `Redis stops: acked ${acked} / lost ${lost.length} / executed twice ${scene.executions.repeated} / ` +
      `sends fail within ${quantile(late, 1)} ms (sendTimeout ${SEND_TIMEOUT}), then ${Math.round(atOnce)} ms / ` +
      `shutdown within ${Math.round(longest)} ms (timeout ${SHUTDOWN_TIMEOUT}) / stops ${stops} / ` +
      `recovery p50 ${quantile(recoveries, 0.5)} ms, p99 ${quantile(recoveries, 0.99)} ms`,
    broken: promises.broken,
  };
}
