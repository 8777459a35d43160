import { setTimeout as sleep } from 'node:timers/promises';
import { oneOf, randomOf } from '../../random.ts';
import type { Loader } from './loader.ts';
import { type CampaignOptions, Promises, type Report, spread } from './report.ts';
import { Scene } from './scene.ts';
import type { WorkerProcess } from './workers.ts';

/** How many worker processes there are at a time. */
const WORKERS = 3;
const KEYS = ['left', 'right'];

/**
 * Kills worker processes again and again, every fourth time one that only starts, while payloads for one or two collectors
 * are sent; each tenth is waited for.
 */
export async function killWorkers({
  kills,
  jobs,
  seed,
  progress,
  signal,
}: CampaignOptions & { readonly kills: number; readonly jobs: number }): Promise<Report> {
  const random = randomOf(seed);
  await using scene = await Scene.begin({
    keys: KEYS,
    queue: { concurrency: 10, lockDuration: 1_500, stalledInterval: 500, lookupInterval: 1_000 },
  });
  const { executions, workers } = scene;
  const loader = await scene.loader();
  const ended: { readonly pid: number; readonly at: number }[] = [];
  await workers.beginAll(WORKERS);
  let issued = 0;
  for (let kill = 0; kill < kills; kill++) {
    signal?.throwIfAborted();
    const allowed = Math.ceil((jobs * (kill + 1)) / (kills + 1));
    issue(loader, allowed - issued, random);
    issued = allowed;
    const victim = await somebody(scene, random);
    ended.push({ pid: victim.pid, at: await victim.kill() });
    workers.begin();
    if ((kill + 1) % 10 === 0) {
      executions.read();
      progress?.(`${kill + 1} workers killed, ${loader.acked.size} acked, ${executions.done.size} done`);
    }
  }
  issue(loader, jobs - issued, random);
  await scene.allDone([loader], { signal });
  await loader.allAnswered();

  const promises = new Promises();
  const lost = scene.lost(loader);
  promises.check(lost.length === 0, `${lost.length} lost: ${lost.slice(0, 10)}`);
  promises.check(loader.refusals.length === 0, `${loader.refusals.length} sends failed`);
  promises.check(loader.badAnswers.length === 0, `wrong answers: ${loader.badAnswers.slice(0, 10).join('; ')}`);
  await checkCounts(loader, promises);
  const acked = loader.acked.size;
  const twice = `${executions.repeated} (${((100 * executions.repeated) / acked).toFixed(2)}%)`;
  const recovery = spread(
    'recovery',
    ended.flatMap(({ pid, at }) => executions.recoveries(pid, at)),
  );
  return {
    line: `worker kills: acked ${acked} / lost ${lost.length} / executed twice ${twice} / answered ${loader.answered} / kills ${kills} / ${recovery}`,
    broken: promises.broken,
  };
}

function issue(loader: Loader, count: number, random: () => number): void {
  for (let sent = 0; sent < count; sent++) {
    const keys = oneOf(random, [['left'], ['right'], KEYS]);
    const work = { takes: Math.floor(random() * 30) };
    if (random() < 0.1) loader.ask(work, keys);
    else loader.send(work, { keys });
  }
}

/** Somebody to kill, at some moment: the youngest, which may still start, or any, after something has been done. */
async function somebody({ executions, workers }: Scene, random: () => number): Promise<WorkerProcess> {
  if (random() < 0.25) {
    await sleep(random() * 1_000);
    return workers.running.at(-1) as WorkerProcess;
  }
  const victim = oneOf(random, workers.running);
  await victim.working;
  executions.read();
  const before = executions.done.size;
  const start = performance.now();
  while (executions.done.size === before && performance.now() - start < 500) {
    await sleep(2);
    executions.read();
  }
  await sleep(random() * 200);
  return victim;
}

/** In the end nothing waits or runs any more, and nothing has failed. */
async function checkCounts(loader: Loader, promises: Promises): Promise<void> {
  for (const [key, { failed }] of await loader.queue.counts()) {
    promises.check(failed === 0, `${failed} jobs of collector "${key}" failed`);
  }
}
