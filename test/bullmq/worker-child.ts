import { type AnyCollector, Collector, err, ok } from 'collector-queue';
import { BullMQCollectorQueue, type BullMQQueueOptions } from 'collector-queue/bullmq';

/** A worker process, for tests. What it is to do stands in WORKER. It tells its parent what its collectors do. */

const { options, collectors } = JSON.parse(process.env.WORKER ?? '') as {
  options: BullMQQueueOptions;
  collectors: string[];
};

const say = (...what: unknown[]): void => void process.send?.(what);

const known: Readonly<Record<string, AnyCollector>> = {
  square: new Collector('square', async ({ value }) => ok(value ** 2), {
    topics: 'numbers/+',
    lifecycle: async function* () {
      say('square up');
      yield {};
      say('square down');
    },
  }),
  picky: new Collector(
    'picky',
    ({ value }) => {
      if (value === 'plain') return err({ plain: [1, 2] });
      throw Object.assign(new RangeError(`not ${value}`, { cause: new TypeError('because') }), { code: 'E_PICKY' });
    },
    { topics: ['numbers/#', 'letters'] },
  ),
  attempt: new Collector('attempt', ({ value, topics, keys }, _, attempt) => {
    const { number, collectorKey, eventId, headers } = attempt;
    return { value, topics, keys, number, collectorKey, eventId, headers };
  }),
  flaky: new Collector(
    'flaky',
    (_payload, _context, { number }) => {
      say('flaky', number);
      if (number < 3) throw new Error('not yet');
      return number;
    },
    { retry: { attempts: 3, base: 10 } },
  ),
  slow: new Collector('slow', async ({ value }) => {
    say('slow begins', value);
    await new Promise((resolve) => setTimeout(resolve, 150));
    say('slow ends', value);
    return value;
  }),
  poison: new Collector('poison', ({ value }) => {
    say('poison', value);
    if (value === 'kill') process.kill(process.pid, 'SIGKILL');
    return value;
  }),
};

const queue = new BullMQCollectorQueue(
  collectors.map((key) => known[key] as AnyCollector),
  options,
);
queue.events.on('error-internal', () => undefined);

process.on('message', async () => {
  await queue.shutDownQueue({ timeout: 5_000 });
  say('down');
  // Nothing is left that keeps it alive but the way to its parent.
  process.disconnect();
});

await queue.initQueue();
process.send?.('ready');
