/**
 * The three delivery modes: broadcast to every collector, by key to the named ones, by topic to those that subscribe
 * to it, where a subscription may be a pattern as in MQTT. A collector that matches twice takes the payload once.
 */
import { Collector, CollectorQueue, Delivery, Payload } from 'collector-queue';

interface OrderEvent {
  readonly order: string;
  readonly cents: number;
}

const revenue = new Map<string, number>();
const audited: string[] = [];
const kitchenQueue: string[] = [];

const collectors = [
  // '+' is one level: 'orders/berlin/paid', but not 'orders/paid'.
  new Collector('revenue', ({ value }: Payload<OrderEvent>) => revenue.set(value.order, value.cents).size, {
    topics: 'orders/+/paid',
  }),
  // '#' is all that follows, nothing included.
  new Collector('audit', ({ value }: Payload<OrderEvent>) => audited.push(value.order), { topics: 'orders/#' }),
  new Collector('kitchen', ({ value }: Payload<OrderEvent>) => kitchenQueue.push(value.order), {
    topics: ['orders/berlin/placed', 'orders/berlin/changed'],
  }),
];

await new CollectorQueue(collectors).run(async (publisher) => {
  const deliver = async (what: string, payload: Payload<OrderEvent>) => {
    const results = await publisher.send(payload).wait();
    console.log(`${what}: ${results.keys().join(', ') || `nobody (delivered ${results.delivered})`}`);
  };
  const order = { order: 'A-1', cents: 1850 };

  await deliver('broadcast', new Payload(order));
  await deliver('one key', new Payload(order, { keys: 'audit' }));
  await deliver('two keys', new Payload(order, { keys: ['kitchen', 'audit'] }));
  await deliver('paid', new Payload(order, { topics: 'orders/berlin/paid' }));
  await deliver(
    'placed and changed',
    new Payload(order, { topics: ['orders/berlin/placed', 'orders/berlin/changed'] }),
  );
  await deliver('elsewhere', new Payload(order, { topics: 'stock/berlin' }));
  // With both keys and topics, `delivery` says which of them decide.
  await deliver('by topic', new Payload(order, { delivery: Delivery.TOPIC, keys: 'kitchen', topics: 'orders' }));
});
console.log(`${audited.length} audited, ${kitchenQueue.length} for the kitchen, revenue of ${revenue.size} order`);

/* Output:
broadcast: revenue, audit, kitchen
one key: audit
two keys: audit, kitchen
paid: revenue, audit
placed and changed: audit, kitchen
elsewhere: nobody (delivered 0)
by topic: audit
6 audited, 3 for the kitchen, revenue of 1 order
*/
