/**
 * A redis-server for a benchmark, in memory alone; to be forked with `--import tsx`. Says where it is, and what processor
 * time it has used when asked; it ends with whoever forked this.
 */
import { startRedis } from '../scripts/redis-process.ts';

const redis = await startRedis();
process.once('disconnect', () => redis.stop());
process.on('message', async () => {
  const text = String(await redis.command('INFO', 'cpu'));
  const of = (name) => Number(new RegExp(`used_cpu_${name}:([\\d.]+)`).exec(text)?.[1]);
  process.send?.({ cpuUs: (of('user') + of('sys')) * 1e6 });
});
process.send?.({ url: redis.url });
