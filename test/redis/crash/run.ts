import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisEmitter } from 'collector-queue/redis';
import { type RedisServer, startRedis } from '../../../scripts/redis-process.ts';
import { idsIn, until } from '../lists.ts';

export interface CampaignOptions {
  /** Of a forwarder, by SIGKILL. */
  readonly kills: number;
  /** Of Redis, which syncs each change. */
  readonly redisKills: number;
  readonly events: number;
  readonly progress?: (line: string) => void;
}

export interface CampaignResult {
  /** Events that an emitter was told Redis has. */
  readonly acked: number;
  /** Acknowledged, and neither forwarded nor in any list. */
  readonly lost: number;
  /** Forwarded once more. */
  readonly duplicated: number;
  /** What is left in processing lists in the end. */
  readonly stranded: number;
  /** From a kill of the forwarder until another forwarded; the longest. Milliseconds. */
  readonly recovery: number;
}

const HEARTBEAT = 500;
const CHILD = join(import.meta.dirname, 'forwarder-child.ts');

/** Kills forwarders, and Redis, again and again while events come, and then looks for each that was acknowledged. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const redis = await startRedis({ aof: true });
  const emitter = new RedisEmitter(redis.url, { key: 'in', batchSize: 20, flushInterval: 5, maxRetryDelay: 50 });
  const acked = new Set<number>();
  let allowed = 0;
  let isOver = false;
  const load = async (): Promise<void> => {
    for (let id = 0; id < options.events && !isOver; id++) {
      while (id >= allowed && !isOver) await sleep(2);
      void emitter.deliver({ id }).then((outcome) => outcome.isOk() && acked.add(id));
    }
  };
  const loading = load();
  // Two, so that the one that lives takes over from the one that was killed.
  const children = [startChild(redis), startChild(redis)];
  await once(children[0] as ChildProcess, 'message');
  let recovery = 0;
  try {
    const rounds = Math.max(options.kills, options.redisKills);
    for (let round = 0; round < rounds; round++) {
      allowed = Math.ceil((options.events * (round + 1)) / (rounds + 1));
      const before = await forwarded(redis);
      await until(async () => (await forwarded(redis)) > before);
      await sleep(Math.random() * 30);
      if (round < options.redisKills) await redis.restart();
      if (round < options.kills) {
        const at = round % children.length;
        const killed = performance.now();
        const length = await forwarded(redis);
        await end(children[at] as ChildProcess);
        children[at] = startChild(redis);
        allowed += 1;
        await until(async () => (await forwarded(redis)) > length);
        recovery = Math.max(recovery, performance.now() - killed);
      }
      options.progress?.(`round ${round + 1}: ${acked.size} acknowledged, ${await forwarded(redis)} forwarded`);
    }
    allowed = options.events;
    await loading;
    await emitter.flush();
    await until(async () => acked.size === options.events && (await leftIn(redis)) === 0);
    const out = idsIn(await redis.command('LRANGE', 'out', 0, -1));
    const delivered = new Set(out);
    return {
      acked: acked.size,
      lost: [...acked].filter((id) => !delivered.has(id)).length,
      duplicated: out.length - delivered.size,
      stranded: await leftIn(redis),
      recovery: Math.round(recovery),
    };
  } finally {
    isOver = true;
    for (const child of children) child.kill('SIGKILL');
    await emitter.close({ timeout: 0 });
    await redis.stop();
  }
}

/** In the list, and in all the processing lists. */
async function leftIn(redis: RedisServer): Promise<number> {
  const script = `local left = redis.call('LLEN', 'in')
    for _, key in ipairs(redis.call('KEYS', 'in:processing:*')) do left = left + redis.call('LLEN', key) end
    return left`;
  return Number(await redis.command('EVAL', script, 0));
}

async function forwarded(redis: RedisServer): Promise<number> {
  return Number(await redis.command('LLEN', 'out'));
}

function startChild({ url }: RedisServer): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', CHILD, url, String(HEARTBEAT)], {
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) throw new Error('a forwarder ended by itself');
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
