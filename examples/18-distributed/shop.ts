/** The application: its collectors, and what is sent to them. It does not know which queue it runs on. */
import { Collector, type EventPublisher, err, ok, type Result } from 'collector-queue';

interface Order {
  readonly id: string;
  readonly pieces: number;
  readonly price: number;
}

const STOCK = 10;

const invoice = new Collector('invoice', async ({ value }: { value: Order }) => ok(value.pieces * value.price), {
  topics: 'orders/placed',
});

const warehouse = new Collector(
  'warehouse',
  async ({ value }: { value: Order }): Promise<Result<string, { missing: number }>> =>
    value.pieces <= STOCK ? ok(`${value.pieces} packed`) : err({ missing: value.pieces - STOCK }),
  { topics: 'orders/+' },
);

/** Its first attempt fails; that is what `retry` is for. */
const mail = new Collector(
  'mail',
  async ({ value }: { value: Order }, { from }: { from: string }, { number }) => {
    if (number === 1) throw new Error('the mail server is busy');
    return `${from} wrote about ${value.id}, at attempt ${number}`;
  },
  {
    topics: 'orders/placed',
    retry: { attempts: 3, base: 10 },
    lifecycle: async function* () {
      yield { from: 'shop@example.com' };
    },
  },
);

export const collectors = [invoice, warehouse, mail];

/** Sends some orders, and says what came of them. */
export async function run(publisher: Pick<EventPublisher, 'publish'>): Promise<string[]> {
  const small: Order = { id: 'A-1', pieces: 3, price: 5 };
  const large: Order = { id: 'A-2', pieces: 25, price: 4 };
  const events = {
    'a small order': publisher.publish(small, { topics: 'orders/placed' }),
    'a large order': publisher.publish(large, { topics: 'orders/placed' }),
    'a returned order': publisher.publish(small, { topics: 'orders/returned' }),
    'an invoice again': publisher.publish(large, { keys: 'invoice' }),
    'what nobody wants': publisher.publish(small, { topics: 'weather' }),
  };
  const lines: string[] = [];
  for (const [name, event] of Object.entries(events)) {
    const results = await event.wait();
    lines.push(`${name}:`);
    for (const key of results.keys()) {
      const result = results.get(key) as Result<unknown, unknown>;
      lines.push(`  ${key}: ${result.match(JSON.stringify, (error) => `failed ${JSON.stringify(error)}`)}`);
    }
    if (results.delivered === 0) lines.push('  nobody');
  }
  return lines;
}
