/**
 * Changes of accounts: those of one account in order, although some fail at first and are tried again; those of different
 * accounts side by side. The ledger bears two calls at a time, and each account may be changed three times in a while.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, err, ok, Payload } from 'collector-queue';

interface Change {
  readonly account: string;
  readonly amount: number;
}

const balances = new Map<string, number>();
const history = new Map<string, string[]>();
let calls = 0;
let mostCalls = 0;
let failures = 0;

/** Bears two calls at a time, and is away now and then. */
async function post({ account, amount }: Change, attempt: number): Promise<number | undefined> {
  mostCalls = Math.max(mostCalls, ++calls);
  await delay(2);
  calls--;
  if (amount % 4 === 0 && attempt < 3) return undefined;
  const balance = (balances.get(account) ?? 0) + amount;
  balances.set(account, balance);
  return balance;
}

const apply = new Collector(
  'apply',
  async ({ value }: Payload<Change>, _, attempt) => {
    const balance = await post(value, attempt.number);
    if (balance === undefined) {
      failures++;
      return err('the ledger is away');
    }
    history.set(value.account, [...(history.get(value.account) ?? []), `${value.amount}`]);
    return ok(balance);
  },
  {
    partitionBy: ({ value }) => value.account,
    concurrency: 2,
    rateLimit: { limit: 3, interval: 20, per: ({ value }) => value.account },
    retry: { attempts: 5, base: 10, cap: 20 },
  },
);

const queue = new CollectorQueue([apply]);
await queue.run(async (publisher) => {
  const changes = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((amount) =>
    ['Ada', 'Bob', 'Cleo'].map((account) => new Payload({ account, amount })),
  );
  const events = publisher.sendMany(changes);

  // It does not come out of the account, but it has to keep its place among the changes of one.
  const fee = publisher.publish({ account: 'the bank', amount: 1 }, {}, { partitionKey: 'Ada' });

  for (const event of events) await event.wait();
  await fee.wait();
});

for (const account of ['Ada', 'Bob', 'Cleo']) {
  console.log(`${account}: ${history.get(account)?.join(', ')}, in all ${balances.get(account)}`);
}
console.log(`the bank: ${balances.get('the bank')}`);
console.log(`${failures} calls failed, at most ${mostCalls} at a time`);

/* Output:
Ada: 1, 2, 3, 4, 5, 6, 7, 8, in all 36
Bob: 1, 2, 3, 4, 5, 6, 7, 8, in all 36
Cleo: 1, 2, 3, 4, 5, 6, 7, 8, in all 36
the bank: 1
12 calls failed, at most 2 at a time
*/
