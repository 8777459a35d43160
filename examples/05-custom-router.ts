/**
 * Routers of one's own. Most need `select` alone: it picks the collectors for a payload. One that overrides
 * `handleEvent` too has full control: it delivers to whom it likes, when it likes, and says what the results are.
 */
import { type AnyCollector, Collector, CollectorQueue, type Deliver, err, ok, Payload, Router } from 'collector-queue';

interface Order {
  readonly customer: number;
  readonly item: string;
}

/** Every order of a customer goes to the same shard. `select` is the hot path, so it looks nothing up but a key. */
class ShardRouter extends Router {
  override select({ value }: Payload<Order>): readonly AnyCollector[] {
    const shard = this.collectors.get(`shard-${value.customer % this.collectors.size}`);
    return shard === undefined ? [] : [shard];
  }
}

const shards = [0, 1, 2].map(
  (n) => new Collector(`shard-${n}`, ({ value }: Payload<Order>) => `customer ${value.customer}: ${value.item}`),
);

await new CollectorQueue(shards, { router: ShardRouter }).run(async (publisher) => {
  const orders: Order[] = [
    { customer: 7, item: 'tea' },
    { customer: 8, item: 'rice' },
    { customer: 7, item: 'milk' },
  ];
  for (const event of publisher.sendMany(orders.map((order) => new Payload(order)))) {
    const results = await event.wait();
    console.log(`${results.keys()} took ${results.first().unwrapOr('nothing')}`);
  }
});

/** Asks the providers in their order, until one takes the payment. */
class FailoverRouter extends Router {
  override select(): readonly AnyCollector[] {
    return [...this.collectors.values()];
  }

  override async handleEvent(_payload: Payload, deliver: Deliver) {
    const [first, ...others] = this.select();
    let results = await deliver(first === undefined ? [] : [first]);
    for (const provider of others) {
      if (results.isOk()) break;
      results = await deliver([provider]);
    }
    return results;
  }
}

const cheap = new Collector('cheap', async ({ value }: Payload<number>) => (value > 50 ? err('over the limit') : ok()));
const dear = new Collector('dear', async ({ value }: Payload<number>) => (value > 500 ? err('no credit') : ok()));

// Full control waits for its own code, so it gets a time limit.
const payments = new CollectorQueue([cheap, dear], { router: FailoverRouter, routerTimeout: 5_000 });
await payments.run(async (publisher) => {
  for (const amount of [20, 200, 2000]) {
    const results = await publisher.publish(amount).wait();
    console.log(`${amount}: ${results.keys()} says ${results.isOk() ? 'paid' : results.errs()}`);
  }
});

/* Output:
shard-1 took customer 7: tea
shard-2 took customer 8: rice
shard-1 took customer 7: milk
20: cheap says paid
200: dear says paid
2000: dear says no credit
*/
