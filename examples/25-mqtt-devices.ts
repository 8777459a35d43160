/**
 * Readings of devices from an MQTT broker: those of one device in order, although some fail at first; devices side by side.
 * A reading is acknowledged once it is stored. The broker keeps what the service has no room for.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Aedes } from 'aedes';
import { Collector, CollectorQueue, type EventPublisher, err, ok, type Payload } from 'collector-queue';
import { connectAsync, type MqttClient } from 'mqtt';

interface Reading {
  readonly device: string;
  readonly count: number;
}

const DEVICES = ['boiler', 'fridge', 'mill', 'oven', 'pump'];
const READINGS = 12;
/** How many readings the service has in hand at most: taken from the broker, and not acknowledged. */
const ROOM = 16;

const stored = new Map<string, number[]>();
let running = 0;
let mostRunning = 0;
let failures = 0;

const store = new Collector(
  'store',
  async ({ value: { device, count } }: Payload<Reading>, _, { number }) => {
    mostRunning = Math.max(mostRunning, ++running);
    await delay(3);
    running--;
    if (count % 5 === 0 && number === 1) {
      failures++;
      return err('the database is busy');
    }
    stored.set(device, [...(stored.get(device) ?? []), count]);
    return ok();
  },
  // What fails is tried again before the next reading of its device; those of the others go on.
  { partitionBy: ({ value }) => value.device, retry: { attempts: 5, base: 10, cap: 20 } },
);
const queue = new CollectorQueue([store], { maxConsumers: 3 });

/**
 * Hands what a client gets at QoS 1 to a queue. By itself the client acknowledges each message before it looks at the next
 * one, so to wait for its result would mean one message at a time. Here it takes as many as there is room for, and each
 * is acknowledged once it is settled. While there is no room, the client reads nothing, and the rest stays with the broker.
 */
class Intake {
  readonly #client: MqttClient;
  readonly #publisher: EventPublisher;
  /** MQTT wants acknowledgements in the order of the messages. */
  #acknowledged: Promise<void> = Promise.resolve();
  #inHand = 0;
  #goOn: (() => void) | undefined = undefined;
  #mostInHand = 0;

  constructor(client: MqttClient, publisher: EventPublisher) {
    this.#client = client;
    this.#publisher = publisher;
    client.handleMessage = ({ topic, payload, messageId = 0 }, handled) => {
      const [, device = ''] = topic.split('/');
      this.#take({ device, count: Number(payload) }, messageId);
      // The client goes on to the next message; told of an error, it leaves the acknowledgement to us.
      const goOn = (): void => handled(new Error('not acknowledged yet'));
      if (this.#inHand < ROOM) goOn();
      else this.#goOn = goOn;
    };
  }

  get isFull(): boolean {
    return this.#inHand === ROOM;
  }

  get mostInHand(): number {
    return this.#mostInHand;
  }

  /** Once nothing is in hand. */
  async settled(): Promise<void> {
    while (this.#inHand > 0) await this.#acknowledged;
  }

  #take(reading: Reading, messageId: number): void {
    this.#mostInHand = Math.max(this.#mostInHand, ++this.#inHand);
    const { stream } = this.#client;
    // After a lost connection the broker repeats what was not acknowledged: that joins what is in hand already.
    const dedupeKey = `${reading.device} ${reading.count}`;
    const event = this.#publisher.publish(reading, {}, { dedupeKey, dedupeWindow: 60_000 });
    this.#acknowledged = this.#acknowledged.then(async () => {
      const results = await event.wait();
      // The number of a message means something on its own connection alone. What failed for good is left to the broker.
      const connected = stream === this.#client.stream && !stream.destroyed;
      if (connected && results.isOk()) stream.write(Buffer.from([0x40, 2, messageId >> 8, messageId & 0xff]));
      this.#inHand--;
      const goOn = this.#goOn;
      this.#goOn = undefined;
      goOn?.();
    });
  }
}

const broker = await Aedes.createBroker();
const server = createServer(broker.handle).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;

let acknowledgements = 0;
const all = new Promise<void>((resolve) => {
  broker.on('ack', (_, { id }) => {
    if (id === 'service' && ++acknowledgements === DEVICES.length * READINGS) resolve();
  });
});

/** Sends its readings one after another, each once the broker has the one before. */
async function run(device: string): Promise<void> {
  const client = await connectAsync(url, { clientId: device });
  for (let count = 1; count <= READINGS; count++) {
    await client.publishAsync(`devices/${device}/readings`, `${count}`, { qos: 1 });
  }
  await client.endAsync();
}

await queue.run(async (publisher) => {
  // Not a clean session: the broker keeps what comes while the service is away.
  const client = await connectAsync(url, { clientId: 'service', clean: false });
  const intake = new Intake(client, publisher);
  await client.subscribeAsync('devices/+/readings', { qos: 1 });

  // While the database is away, say, the service takes what it has room for, and no more.
  queue.pause();
  await Promise.all(DEVICES.map(run));
  while (!intake.isFull) await delay(1);
  queue.resume();
  await all;
  await intake.settled();
  await client.endAsync();
  console.log(`at most ${intake.mostInHand} readings in hand, and ${mostRunning} at work`);
});
await new Promise<void>((closed) => broker.close(closed));
await new Promise((closed) => server.close(closed));

for (const device of DEVICES) console.log(`${device}: ${stored.get(device)?.join(', ')}`);
console.log(`${failures} attempts failed, ${acknowledgements} readings are acknowledged`);

/* Output:
at most 16 readings in hand, and 3 at work
boiler: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
fridge: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
mill: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
oven: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
pump: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
10 attempts failed, 60 readings are acknowledged
*/
