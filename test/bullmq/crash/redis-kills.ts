import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '../../random.ts';
import { timeNow } from './errand.ts';
import type { Loader } from './loader.ts';
import { type CampaignOptions, Promises, type Report, spread, until } from './report.ts';
import { Scene } from './scene.ts';

const WORKERS = 2;

/** Sends that may wait for Redis in the loader that queues them. */
const MOST_HELD = 2_000;

/** What comes back by itself does so within that time. Milliseconds. */
const PATIENCE = 30_000;

/**
 * Kills a Redis that syncs each write, and starts it again a little later, in turn while nothing goes on and while payloads
 * are sent; by one loader whose sends fail meanwhile, and by one whose sends wait. Nobody helps the workers or the loaders.
 */
export async function killRedis({
  kills,
  seed,
  progress,
  signal,
}: CampaignOptions & { readonly kills: number }): Promise<Report> {
  const random = randomOf(seed);
  await using scene = await Scene.begin({
    keys: ['work'],
    redis: { aof: true },
    queue: { concurrency: 10, lockDuration: 3_000, stalledInterval: 1_000, lookupInterval: 1_000, sendTimeout: 3_000 },
  });
  const promises = new Promises();
  const failing = await scene.loader();
  const queueing = await scene.loader({ whenAway: { queue: MOST_HELD } });
  const loaders = [failing, queueing];
  await scene.workers.beginAll(WORKERS);
  const acks = { idle: [] as number[], busy: [] as number[] };
  const runs: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    signal?.throwIfAborted();
    const busy = kill % 2 === 1;
    const flow = new Flow(busy ? loaders : [], random);
    await sleep(100 + random() * 400);
    await scene.redis.kill();
    await sleep(random() * 800);
    const acked = failing.nextAck();
    await scene.redis.restart();
    const back = timeNow();
    const run = await firstRun(scene, failing, back, signal);
    promises.check(run !== undefined, `kill ${kill + 1}: nothing ran within ${PATIENCE} ms after Redis was back`);
    if (run !== undefined) {
      runs.push(run);
      acks[busy ? 'busy' : 'idle'].push(Math.max(0, (await acked) - back));
    }
    await flow.stop();
    if ((kill + 1) % 10 === 0) progress?.(`Redis killed ${kill + 1} times, ${totalAcked(loaders)} acked`);
  }
  await scene.allDone(loaders, { signal });
  await Promise.all(loaders.map((loader) => loader.allAnswered()));

  const lost = scene.lost(...loaders);
  const { executions } = scene;
  promises.check(lost.length === 0, `${lost.length} lost: ${lost.slice(0, 10)}`);
  const { QueueFullError: _full, ...others } = Object.fromEntries(queueing.refusedWith);
  promises.check(Object.keys(others).length === 0, `sends failed that were to wait: ${JSON.stringify(others)}`);
  for (const { badAnswers } of loaders) {
    promises.check(badAnswers.length === 0, `wrong answers: ${badAnswers.slice(0, 10).join('; ')}`);
  }
  for (const worker of scene.workers.running) promises.check(!worker.hasEnded, 'a worker ended');
  promises.check(scene.workers.running.length === WORKERS, 'a worker did not outlive Redis');
  const failed = failing.refusals.length;
  return {
    line:
      `Redis kills: acked ${totalAcked(loaders)} / lost ${lost.length} / executed twice ${executions.repeated} / ` +
      `answered ${failing.answered + queueing.answered} / failed sends ${failed} / kills ${kills} / ` +
      `recovery to the next ack ${spread('idle', acks.idle)}, ${spread('busy', acks.busy)}, ${spread('to the next run', runs)}`,
    broken: promises.broken,
  };
}

/** Milliseconds until a payload that was sent after this time has run; meanwhile one is sent again and again. */
async function firstRun(
  { executions }: Scene,
  loader: Loader,
  back: number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const tasks = new Set<string>();
  const ran = await until(
    async () => {
      if (loader.open === 0 || tasks.size === 0) {
        const before = loader.acked.size;
        loader.send({ takes: 0 });
        await until(() => loader.open === 0, { within: 100 });
        for (const task of [...loader.acked].slice(before)) tasks.add(task);
      }
      executions.read();
      return [...tasks].some((task) => executions.done.has(task));
    },
    { within: PATIENCE, signal },
  );
  if (!ran) return undefined;
  return Math.min(...[...tasks].flatMap((task) => executions.done.get(task)?.map(({ at }) => at - back) ?? []));
}

/** Sends by some loaders, all the time. */
class Flow {
  #isOver = false;
  readonly #over: Promise<void>;

  constructor(loaders: readonly Loader[], random: () => number) {
    this.#over = this.#run(loaders, random);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#over;
  }

  async #run(loaders: readonly Loader[], random: () => number): Promise<void> {
    while (!this.#isOver) {
      for (const loader of loaders) {
        for (let count = 0; count < 3; count++) {
          const work = { takes: Math.floor(random() * 10) };
          if (random() < 0.1) loader.ask(work);
          else loader.send(work);
        }
      }
      await sleep(20);
    }
  }
}

function totalAcked(loaders: readonly Loader[]): number {
  return loaders.reduce((sum, { acked }) => sum + acked.size, 0);
}
