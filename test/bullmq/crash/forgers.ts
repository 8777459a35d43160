import { type Job, Queue } from 'bullmq';
import { Collector, ok, type Payload } from 'collector-queue';
import { BullMQCollectorQueue, type BullMQQueueOptions, type QuarantinedMessage } from 'collector-queue/bullmq';
import { Redis } from 'ioredis';
import { oneOf, randomOf } from '../../random.ts';
import { startRedis } from '../../redis-server.ts';
import { type Forgery, forgeries, type Material, type Template } from './forgery-kinds.ts';
import { SILENT } from './loader.ts';
import { type CampaignOptions, Promises, type Report, until } from './report.ts';

const KEY = 'work';
const OTHER = 'elsewhere';
const SECRET = 'the secret of the queue under attack, 32 bytes or more';
const PREFIX = 'attacked';
/** What forged jobs would call a processor with. */
const FORGED = 'forged';
/** Forgeries that are written at a time, before it is looked what became of them. */
const PORTION = 500;
const GENUINE = 60;
const PATIENCE = 60_000;

/** What BullMQ may be told besides; nothing of it makes a message better. */
const JOB_OPTIONS = [{}, {}, { attempts: 5 }, { priority: 3 }, { lifo: true }, { delay: 1 }, { removeOnFail: false }];

/**
 * Writes messages into a queue that nobody with the secret has sent: invented, altered, moved, old, and such that were done
 * before. None may reach the processor, and each is to be found in quarantine, with its reason.
 */
export async function forge({
  count,
  seed,
  progress,
  signal,
}: CampaignOptions & { readonly count: number }): Promise<Report> {
  const random = randomOf(seed);
  await using redis = await startRedis();
  const options = { connection: redis.url, prefix: PREFIX, logger: SILENT, lookupInterval: 1_000, concurrency: 20 };
  const attack = new Attack(redis.url, { ...options, secret: SECRET, keepCompleted: { count: 10_000 } });
  const promises = new Promises();
  try {
    const material = await attack.prepare(random);
    const replays = await attack.replays();
    let written = 0;
    const all = [...forgeries(material, count), ...replays];
    for (let at = 0; at < all.length; at += PORTION) {
      signal?.throwIfAborted();
      const portion = all.slice(at, at + PORTION);
      promises.broken.push(...(await attack.write(portion, random, signal)));
      written += portion.length;
      progress?.(`${written} forgeries written, ${attack.forged} executed`);
    }
    const naive = await attackNaive(redis.url, material, Math.ceil(count / 20), signal);
    promises.broken.push(...naive.broken);
    promises.check(attack.forged === 0, `${attack.forged} forgeries were executed`);
    promises.check(attack.twice === 0, `${attack.twice} jobs that were done were executed again`);
    promises.check(attack.genuine === GENUINE, `${attack.genuine} of ${GENUINE} genuine jobs were executed`);
    const reasons = [...attack.reasons].map(([reason, times]) => `${reason} ${times}`).join(', ');
    return {
      line:
        `forgeries: written ${written} / executed ${attack.forged + attack.twice} / in quarantine ${attack.quarantined} ` +
        `(${reasons}) / replays ${replays.length} / to a worker without a secret ${naive.written}, executed ${naive.executed}`,
      broken: promises.broken,
    };
  } finally {
    await attack.end();
  }
}

class Attack {
  forged = 0;
  quarantined = 0;
  readonly reasons: Map<string, number> = new Map();
  readonly #executed: Map<unknown, number> = new Map();
  readonly #publisher: BullMQCollectorQueue;
  readonly #worker: BullMQCollectorQueue;
  readonly #raw: Queue;
  readonly #foreign: Queue;
  readonly #redis: Redis;

  constructor(url: string, options: BullMQQueueOptions) {
    const process = async ({ value }: Payload) => {
      if (value === FORGED) this.forged++;
      else this.#executed.set(value, (this.#executed.get(value) ?? 0) + 1);
      return ok(value);
    };
    this.#publisher = new BullMQCollectorQueue(
      [KEY, OTHER].map((key) => new Collector(key, process)),
      {
        ...options,
        role: 'publisher',
      },
    );
    this.#worker = new BullMQCollectorQueue([new Collector(KEY, process)], { ...options, role: 'worker' });
    this.#redis = new Redis(url, { maxRetriesPerRequest: null });
    this.#raw = new Queue(KEY, { connection: this.#redis, prefix: PREFIX });
    this.#foreign = new Queue(OTHER, { connection: this.#redis, prefix: PREFIX });
  }

  get genuine(): number {
    return this.#executed.size;
  }

  /** Executions of genuine jobs beyond the first of each. */
  get twice(): number {
    return [...this.#executed.values()].reduce((sum, times) => sum + times - 1, 0);
  }

  /** Has genuine jobs sent, some of which are taken away before a worker comes, and the rest done. */
  async prepare(random: () => number): Promise<Material> {
    await this.#publisher.initQueue();
    const publisher = this.#publisher.getPublisher();
    for (let at = 0; at < 40; at++) publisher.publish(`taken ${at}`, { keys: [KEY] });
    for (let at = 0; at < 10; at++) publisher.publish(`taken ${at}`, { keys: [OTHER] });
    await until(() => this.#publisher.size === 0, { within: PATIENCE });
    const templates = await taken(this.#raw);
    const foreign = await taken(this.#foreign);
    const events = Array.from({ length: GENUINE }, (_, at) => publisher.publish(`genuine ${at}`, { keys: [KEY] }));
    await this.#worker.initQueue();
    await Promise.all(events.map((event) => event.wait({ timeout: PATIENCE })));
    const done = (await this.#raw.getCompleted(0, -1)) as Job[];
    const results = done.map(({ id, returnvalue }) => ({ id: id as string, data: returnvalue }));
    // Under ids that are free again, but for the marks of what was done.
    this.#done = done.map((job) => ({ id: job.id as string, data: job.data }));
    await Promise.all(done.map(({ id }) => this.#raw.remove(id as string)));
    const addressOf = (jobId: string) => ({ queue: `${PREFIX}:${KEY}`, jobId });
    return { random, secret: SECRET, addressOf, templates, foreign, results, value: FORGED };
  }

  #done: Template[] = [];

  /** The jobs that were done, again. */
  async replays(): Promise<Forgery[]> {
    return this.#done.map((job) => ({ kind: 'done before', ...job, reasons: ['replayed'] }));
  }

  /** Writes them and waits until nothing is left of them but what is in quarantine; gives what is not as it should be. */
  async write(portion: readonly Forgery[], random: () => number, signal?: AbortSignal): Promise<string[]> {
    await this.#redis.del(`${PREFIX}:@quarantine`);
    // Those of one id one after the other: BullMQ ignores a job whose id it has.
    for (let left = [...portion]; left.length > 0; ) {
      const ids = new Set<string>();
      const now = left.filter(({ id }) => !ids.has(id) && ids.add(id));
      left = left.filter((forgery) => !now.includes(forgery));
      await Promise.all(
        now.map(({ id, data }) =>
          this.#raw.add(oneOf(random, [KEY, 'another name', '__proto__']), data, {
            ...oneOf(random, JOB_OPTIONS),
            jobId: id,
          }),
        ),
      );
      if (!(await this.#empty(signal))) return [`of ${now.length} forgeries, some are still in the queue`];
    }
    return compare(portion, await this.#worker.quarantined(portion.length * 2), this);
  }

  async end(): Promise<void> {
    await Promise.allSettled([this.#publisher.shutDownQueue(), this.#worker.shutDownQueue()]);
    await Promise.allSettled([this.#raw.close(), this.#foreign.close()]);
    this.#redis.disconnect();
  }

  #empty(signal: AbortSignal | undefined): Promise<boolean> {
    return until(async () => (await unfinished(this.#raw)) === 0, { within: PATIENCE, signal });
  }
}

/** Each forgery is in quarantine once for each time it was written, for one of the reasons that it may have. */
function compare(portion: readonly Forgery[], messages: readonly QuarantinedMessage[], attack: Attack): string[] {
  const wrong: string[] = [];
  attack.quarantined += messages.length;
  for (const { reason } of messages) attack.reasons.set(reason, (attack.reasons.get(reason) ?? 0) + 1);
  if (messages.length !== portion.length) wrong.push(`${messages.length} of ${portion.length} are in quarantine`);
  const left = [...messages];
  for (const { kind, id, data, reasons } of portion) {
    const text = JSON.stringify(data);
    const at = left.findIndex((message) => message.jobId === id && JSON.stringify(message.data) === text);
    const [found] = at === -1 ? [] : left.splice(at, 1);
    if (found === undefined) wrong.push(`${kind}: not in quarantine (${id})`);
    else if (!(reasons as readonly string[]).includes(found.reason)) {
      wrong.push(`${kind}: in quarantine as '${found.reason}', not ${reasons.join(' or ')}`);
    }
  }
  return wrong;
}

/** A worker that knows no secret gets messages that are signed. */
async function attackNaive(
  url: string,
  { templates }: Material,
  count: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly written: number; readonly executed: number; readonly broken: readonly string[] }> {
  const prefix = `${PREFIX}-naive`;
  let executed = 0;
  const collector = new Collector(KEY, async () => {
    executed++;
    return ok(undefined);
  });
  const worker = new BullMQCollectorQueue([collector], { connection: url, prefix, role: 'worker', logger: SILENT });
  const raw = new Queue(KEY, { connection: { url } as object, prefix });
  try {
    await worker.initQueue();
    const jobs = Array.from({ length: count }, (_, at) => templates[at % templates.length] as Template);
    await raw.addBulk(jobs.map(({ data }, at) => ({ name: KEY, data, opts: { jobId: `signed-${at}` } })));
    await until(async () => (await unfinished(raw)) === 0, { within: PATIENCE, signal });
    const messages = await worker.quarantined(count * 2);
    const rightly = messages.filter(({ reason }) => reason === 'unexpected signature').length;
    const promises = new Promises();
    promises.check(executed === 0, `${executed} signed messages were executed by a worker without a secret`);
    promises.check(rightly === count, `${rightly} of ${count} are in quarantine for their unexpected signature`);
    return { written: count, executed, broken: promises.broken };
  } finally {
    await worker.shutDownQueue();
    await raw.close();
  }
}

async function taken(queue: Queue): Promise<Template[]> {
  const jobs = await queue.getWaiting(0, -1);
  await Promise.all(jobs.map(({ id }) => queue.remove(id as string)));
  return jobs.map((job) => ({ id: job.id as string, data: job.data }));
}

async function unfinished(queue: Queue): Promise<number> {
  const {
    wait = 0,
    active = 0,
    delayed = 0,
    prioritized = 0,
  } = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized');
  return wait + active + delayed + prioritized;
}
