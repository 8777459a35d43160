import { setTimeout as sleep } from 'node:timers/promises';
import { taskOf } from './errand.ts';
import { type CampaignOptions, Promises, quantile, type Report } from './report.ts';
import { Scene } from './scene.ts';

const KEY = 'work';

/**
 * Jobs that end the process they run in among jobs that do not; a supervisor starts another process for each that ended.
 * The innocent are to be done, and the others to be condemned, each after its own deeds.
 */
export async function poison({
  deadly,
  jobs,
  workers: count,
  poisonLimit,
  progress,
  signal,
}: CampaignOptions & {
  readonly deadly: number;
  readonly jobs: number;
  readonly workers: number;
  readonly poisonLimit: number;
}): Promise<Report> {
  await using scene = await Scene.begin({
    keys: [KEY],
    queue: { concurrency: 20, poisonLimit, lockDuration: 1_500, stalledInterval: 500, lookupInterval: 1_000 },
  });
  const { executions, workers } = scene;
  const promises = new Promises();
  const loader = await scene.loader();
  const supervision = new AbortController();
  let deaths = 0;
  const supervise = async (): Promise<void> => {
    while (!supervision.signal.aborted) {
      const worker = workers.begin();
      await worker.ended;
      if (supervision.signal.aborted) return;
      deaths++;
      progress?.(`${deaths} workers ended`);
      // Not more often than a supervisor would.
      await sleep(50);
    }
  };
  const supervised = Promise.all(Array.from({ length: count }, supervise));
  const innocent = { failed: 0, done: 0 };
  const condemned: number[] = [];
  const otherwise: string[] = [];
  const every = Math.floor(jobs / deadly);
  let made = 0;
  const waits = Array.from({ length: jobs }, async (_, at) => {
    const kind = at % every === Math.floor(every / 2) && made < deadly ? made++ : undefined;
    const event =
      kind === undefined
        ? loader.send({ takes: 20 })
        : loader.send({ takes: 20, deadly: kind % 2 === 0 ? 'exit' : 'kill' });
    const list = await event.wait({ timeout: 170_000 }).catch((error: unknown) => String(error));
    if (typeof list === 'string') otherwise.push(list);
    else if (kind === undefined && list.isOk()) innocent.done++;
    else if (kind === undefined) innocent.failed++;
    else if ((list.errs()[0] as { code?: string } | undefined)?.code === 'CQ_POISON') {
      executions.read();
      condemned.push(executions.begun.get(taskOf(KEY, at))?.length ?? 0);
    } else otherwise.push(String(list.first()));
  });
  const aborted = new Promise<never>((_, reject) =>
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true }),
  );
  try {
    await Promise.race([Promise.all(waits), aborted]);
  } finally {
    supervision.abort();
    await workers.killAll();
    await supervised;
  }

  promises.check(innocent.failed === 0, `${innocent.failed} innocent jobs failed`);
  promises.check(innocent.done === jobs - deadly, `${innocent.done} of ${jobs - deadly} innocent jobs were done`);
  promises.check(condemned.length === deadly, `${condemned.length} of ${deadly} deadly jobs were condemned`);
  promises.check(otherwise.length === 0, `otherwise: ${otherwise.slice(0, 10).join('; ')}`);
  const most = Math.max(0, ...condemned);
  // Once beside others, then alone as often as allowed, and once more.
  promises.check(most <= poisonLimit + 2, `a deadly job ended ${most} processes`);
  executions.read();
  const lost = loader.acked.size - executions.done.size - condemned.length;
  const twice = `${executions.repeated} (${((100 * executions.repeated) / jobs).toFixed(2)}%)`;
  return {
    line:
      `poison: acked ${loader.acked.size} / lost ${lost} / executed twice ${twice} / innocent failed ${innocent.failed} of ${jobs - deadly} / ` +
      `condemned ${condemned.length} of ${deadly}, after ${quantile(condemned, 0.5)} kills each (most ${most}) / workers ended ${deaths}`,
    broken: promises.broken,
  };
}
