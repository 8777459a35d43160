import type { EmitterEvent } from 'collector-queue/emitter';
import { RedisEmitter, type RedisEmitterOptions, type RedisTarget } from 'collector-queue/redis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { onTestFinished } from 'vitest';

/** The ways to say where Redis is. Each gives a target that is closed when the test is over. */
export const TARGETS: readonly (readonly [name: string, make: (url: string) => Promise<RedisTarget>])[] = [
  ['a URL', async (url) => url],
  ['a client of ioredis', ioredisTo],
  ['a client of redis', nodeRedisTo],
];

export async function ioredisTo(url: string): Promise<Redis> {
  const client = new Redis(url, { retryStrategy: () => 20 });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

export async function nodeRedisTo(url: string): Promise<RedisTarget> {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on('error', () => undefined);
  onTestFinished(() => client.destroy());
  await client.connect();
  return client;
}

/** An emitter that tries again soon, and what it told. It is closed when the test is over. */
export function emitterTo(target: RedisTarget, options: RedisEmitterOptions = {}) {
  const failures: { error: Error; willRetry: boolean; events: readonly EmitterEvent[] }[] = [];
  const buried: { events: readonly EmitterEvent[]; reason: Error }[] = [];
  const emitter = new RedisEmitter(target, {
    flushInterval: 5,
    maxRetryDelay: 20,
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    deadLetter: (events, reason) => void buried.push({ events, reason }),
    onFailure: (_sent, events, { error, willRetry }) => void failures.push({ error, willRetry, events }),
    ...options,
  });
  onTestFinished(async () => void (await emitter.close({ timeout: 0 })));
  return { emitter, failures, buried };
}
