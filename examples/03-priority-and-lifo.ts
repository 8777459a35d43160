/**
 * The waiting orders besides first in, first out. PRIORITY: the most urgent first (the lowest number), equals in the
 * order in which they came. LIFO: the newest first, for values that age, best with a bound that drops the oldest.
 */
import { Collector, CollectorQueue, Overflow, Payload, QueueType } from 'collector-queue';

interface Alert {
  readonly text: string;
}

const paged: string[] = [];
const pager = new Collector('pager', async ({ value }: Payload<Alert>) => paged.push(value.text));

// One consumer keeps the order of completion too: with more, payloads are taken in this order, but run side by side.
const alerts = new CollectorQueue([pager], { queueType: QueueType.PRIORITY, defaultPriority: 100, maxConsumers: 1 });
await alerts.run((publisher) => {
  publisher.sendMany([
    new Payload({ text: 'disk at 71 %' }), // an idle consumer takes the first at once, whatever comes behind it
    new Payload({ text: 'backup is late' }),
    new Payload({ text: 'site is down' }, { priority: 1 }),
    new Payload({ text: 'certificate expires' }, { priority: 10 }),
    new Payload({ text: 'queue grows' }, { priority: 10 }),
  ]);
});
console.log(`paged:\n  ${paged.join('\n  ')}`);

interface Quote {
  readonly symbol: string;
  readonly price: number;
}

const shown: string[] = [];
const ticker = new Collector('ticker', async ({ value }: Payload<Quote>) =>
  shown.push(`${value.symbol} ${value.price}`),
);

const quotes = new CollectorQueue([ticker], {
  queueType: QueueType.LIFO,
  maxConsumers: 1,
  maxSize: 2,
  overflow: Overflow.DROP_OLDEST,
});
const events = await quotes.run((publisher) => {
  const prices = [101, 102, 103, 104, 105];
  return prices.map((price) => publisher.publish({ symbol: 'ACME', price }));
});
console.log(`shown: ${shown.join(', ')}`);
const dropped = events.filter((event) => event.getResult()?.isOk() === false);
console.log(`${dropped.length} of ${events.length} quotes dropped, none in silence`);

/* Output:
paged:
  disk at 71 %
  site is down
  certificate expires
  queue grows
  backup is late
shown: ACME 101, ACME 105, ACME 104
2 of 5 quotes dropped, none in silence
*/
