/** One life of a process that forwards from one list to another, and usually ends by SIGKILL. */
import { RedisEmitter, RedisForwarder } from 'collector-queue/redis';

const [url = '', heartbeatTimeout = ''] = process.argv.slice(2);
const emitter = new RedisEmitter(url, { key: 'out', batchSize: 20, flushInterval: 5, maxRetryDelay: 50 });
const forwarder = new RedisForwarder(url, emitter, {
  key: 'in',
  batchSize: 50,
  heartbeatTimeout: Number(heartbeatTimeout),
  maxRetryDelay: 50,
  logger: { info: () => undefined, warn: () => undefined, error: console.error },
});
await forwarder.start();
process.send?.('started');
