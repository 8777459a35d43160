import { onTestFinished } from 'vitest';
import { type RedisServer, type RedisServerOptions, startRedis } from '../scripts/redis-process.ts';

export { type RedisServer, type RedisServerOptions, startRedis };

/** A server for the test that runs now; it is stopped when that has finished. */
export async function redisForTest(options?: RedisServerOptions): Promise<RedisServer> {
  const server = await startRedis(options);
  onTestFinished(() => server.stop());
  return server;
}
