/**
 * Types from end to end. The topics of a queue and their values are declared once; then a send to a topic that does not
 * exist, or of another value, does not compile, and each collector's result keeps the type of its own.
 */
import { Collector, CollectorQueue, err, ok, Payload, topicTypes } from 'collector-queue';

interface Order {
  readonly id: number;
  readonly cents: number;
}
interface Delay {
  readonly flight: string;
  readonly minutes: number;
}

// A topic may be a template: any origin is fine, the value is always a Delay.
type Topics = {
  'orders/placed': Order;
  [late: `flights/late/${string}`]: Delay;
};

const invoice = new Collector(
  'invoice',
  async ({ value }: Payload<Order>) => (value.cents > 0 ? ok({ number: `R-${value.id}` }) : err('free' as const)),
  { topics: 'orders/placed' },
);
const board = new Collector('board', async ({ value }: Payload<Delay>) => `${value.flight} +${value.minutes}`, {
  topics: 'flights/late/#',
});

const queue = new CollectorQueue([invoice, board], { topics: topicTypes<Topics>(), onUnrouted: 'error' });

await queue.run(async (publisher) => {
  const placed = await publisher.publish({ id: 17, cents: 950 }, { topics: 'orders/placed' }).wait();
  // Result<{ number: string }, 'free' | CollectorQueueError> | undefined
  const issued = placed.get('invoice');
  if (issued?.isOk()) console.log(`invoice ${issued.value.number}`);

  const free = await publisher.publish({ id: 18, cents: 0 }, { keys: 'invoice' }).wait();
  free.get('invoice')?.match(
    ({ number }) => console.log(`invoice ${number}`),
    (error) => console.log(error === 'free' ? 'no invoice for a gift' : error.code),
  );

  const late = new Payload({ flight: 'CQ 7', minutes: 25 }, { topics: 'flights/late/TXL' });
  const shown = (await publisher.send(late).wait()).get('board');
  console.log(shown?.isOk() ? shown.value.toUpperCase() : 'not shown');

  // None of these compiles. Code without types learns of a wrong topic from the result, with onUnrouted: 'error'.
  // @ts-expect-error: there is no such topic
  const mistaken = await publisher.publish({ id: 19, cents: 1 }, { topics: 'order/placed' }).wait();
  console.log(mistaken.errs().map((error) => (error === 'free' ? error : error.code)));
  // @ts-expect-error: the value of this topic is an Order
  publisher.publish({ flight: 'CQ 7', minutes: 25 }, { topics: 'orders/placed' });
  // @ts-expect-error: no collector has this key
  placed.get('invoices');
});

/* Output:
invoice R-17
no invoice for a gift
CQ 7 +25
[ 'CQ_UNROUTED' ]
*/
