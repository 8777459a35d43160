/**
 * A collector that owns a resource. Its lifecycle opens it before the first payload and closes it after the last one;
 * what it yields becomes the processor's context, with its type. If a set-up fails, what is up already is shut down in
 * reverse, and `initQueue` may be tried again.
 */
import { Collector, CollectorQueue, LifecycleError, type Payload } from 'collector-queue';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

/** Stands for the client of a real database. */
class Database {
  readonly #rows: Reading[] = [];

  static async connect(url: string): Promise<Database> {
    console.log(`connected to ${url}`);
    return new Database();
  }

  async insert(row: Reading): Promise<number> {
    return this.#rows.push(row);
  }

  async close(): Promise<void> {
    console.log(`closed after ${this.#rows.length} rows`);
  }
}

const archive = new Collector('archive', ({ value }: Payload<Reading>, { db }) => db.insert(value), {
  context: { url: 'db://readings' },
  lifecycle: async function* ({ url }: { url: string }) {
    const db = await Database.connect(url);
    try {
      yield { db };
    } finally {
      await db.close();
    }
  },
});

// The same as an object; what `setup` returns is merged into the context.
let brokerIsUp = false;
const alarm = new Collector('alarm', ({ value }: Payload<Reading>, { limit }) => value.celsius > limit, {
  lifecycle: {
    async setup() {
      if (!brokerIsUp) throw new Error('the broker does not answer');
      return { limit: 60 };
    },
    shutdown: () => console.log('alarm shut down'),
  },
});

const queue = new CollectorQueue([archive, alarm]);
try {
  await queue.initQueue();
} catch (error) {
  if (!(error instanceof LifecycleError)) throw error;
  console.log(`not started: ${error.errors.map(String).join('; ')}`);
}

brokerIsUp = true;
await queue.run(async (publisher) => {
  const results = await publisher.publish({ sensor: 'boiler', celsius: 75 }).wait();
  console.log(`row ${results.get('archive')?.unwrapOr(0)}, too hot: ${results.get('alarm')?.unwrapOr(false)}`);
});

/* Output:
connected to db://readings
closed after 0 rows
not started: Error: the broker does not answer
connected to db://readings
row 1, too hot: true
alarm shut down
closed after 1 rows
*/
