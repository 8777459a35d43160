/**
 * The tests of a service, without a test runner: a shop whose mails go out later, are tried again, and give up. The clock is
 * moved by hand, and the mail server is a stub: two days pass in no time.
 */
import { AssertionError } from 'node:assert';
import { Collector, type EventPublisher, type Payload } from 'collector-queue';
import { createTestKit, UnsettledError } from 'collector-queue/testing';

// The service.
interface Order {
  readonly id: number;
  readonly customer: string;
}
const HOUR = 3_600_000;

const stock = new Collector('stock', ({ value }: Payload<Order>, { items }) => items.take(value.id), {
  topics: 'orders',
  lifecycle: async function* () {
    yield { items: { take: (_id: number): number => fail('no test should get as far as the real stock') } };
  },
});
const mail = new Collector('mail', ({ value }: Payload<Order>) => fail(`a real mail to ${value.customer}`), {
  retry: { attempts: 3, base: HOUR, cap: HOUR },
});

function order(publisher: EventPublisher, placed: Order) {
  const taken = publisher.publish(placed, { topics: 'orders' });
  const thanks = publisher.publish(placed, { keys: 'mail' }, { delay: 24 * HOUR });
  return { taken, thanks };
}

function fail(reason: string): never {
  throw new Error(reason);
}

// Its tests.
const kit = await createTestKit([stock, mail], {
  contexts: { stock: { items: { take: (id: number) => 100 - id } } },
  stubs: { mail: (_payload, _context, { number }) => (number < 3 ? fail('mailbox busy') : (undefined as never)) },
});

// The stock is asked before the send returns; the mail waits.
const { taken, thanks } = order(kit.publisher, { id: 7, customer: 'Ada' });
console.log('left in stock:', kit.expectSettledOk(taken).oks());
kit.expectNothingSent('mail');
try {
  await kit.settled();
} catch (error) {
  if (error instanceof UnsettledError) console.log(error.message);
}

// A day later it goes out; the mail server is busy, twice.
await kit.advance(24 * HOUR);
kit.expectSent('mail', { customer: 'Ada' });
await kit.runAll();
kit.expectSettledOk(thanks);
console.log(`tried ${kit.sent('mail').length} times, ${kit.events('retrying').length} of them in vain`);

// What fails says why.
try {
  kit.expectSent('stock', { customer: 'Bob' });
} catch (error) {
  if (error instanceof AssertionError) console.log(error.message);
}
await kit.close();

/* Output:
left in stock: [ 93 ]
1 event has not settled
  - { id: 7, customer: 'Ada' }: scheduled, due in 86400000 ms
It waits for the clock: await kit.runAll(), or kit.advance(milliseconds).
tried 3 times, 2 of them in vain
collector "stock" was sent nothing like { customer: 'Bob' }; it was sent:
  - { id: 7, customer: 'Ada' }
*/
