/**
 * A reminder service. A reminder waits for its time, can be called off, and is not sent any more once it is pointless. A
 * digest is published again and again. At the end, what was not sent is handed back, to be kept somewhere else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, ErrorCode, Payload } from 'collector-queue';

interface Reminder {
  readonly who: string;
  readonly what: string;
}

const sent: string[] = [];
const remind = new Collector(
  'remind',
  ({ value: { who, what } }: Payload<Reminder>) => {
    console.log(`to ${who}: ${what}`);
    return sent.push(what);
  },
  { topics: 'reminders' },
);

const digest = new Collector(
  'digest',
  ({ value }: Payload<number>) => {
    console.log(`digest ${digests.runs}: ${value} reminders were sent`);
    if (digests.runs === 3) digests.stop();
  },
  { topics: 'digests' },
);

const queue = new CollectorQueue([remind, digest], { maxScheduled: 10_000 });
const publisher = queue.getPublisher();
const toRemind = (who: string, what: string) => new Payload({ who, what }, { topics: 'reminders' });

await queue.initQueue();

// At a time of day, or after a while.
const lunch = publisher.send(toRemind('Ada', 'lunch'), { at: new Date(Date.now() + 150) });
const stretch = publisher.send(toRemind('Bob', 'stretch'), { delay: 300 });
const dentist = publisher.send(toRemind('Bob', 'dentist'), { delay: 60_000 });
const jog = publisher.send(toRemind('Ada', 'jog'), { delay: 100 });
console.log(`${queue.getMetrics().scheduled} reminders, lunch is ${lunch.status}`);

// Called off.
jog.cancel('it rains');
console.log(`jog: ${(await jog.wait()).errs()[0]?.cause}`);
await Promise.all([lunch.wait(), stretch.wait()]);

// The gateway is down for a while. What is pointless afterwards is not sent.
queue.pause();
const bus = publisher.send(toRemind('Ada', 'the bus leaves'), { delay: 10, ttl: 50 });
const rent = publisher.send(toRemind('Ada', 'rent'), { delay: 10 });
await delay(80);
queue.resume();
await rent.wait();
console.log(`the bus: ${(await bus.wait()).errs()[0]?.code === ErrorCode.EXPIRED ? 'expired' : 'sent'}`);

// Again and again. A cron does as well: every('0 18 * * FRI', …, { timeZone: 'Europe/Berlin' }).
const digests = queue.every(20, () => new Payload(sent.length, { topics: 'digests' }), { name: 'digest' });
while (digests.nextRun !== undefined) await delay(5);

// What is still to come settles as an Err: a service would write it down for its next start.
await queue.shutDownQueue({ scheduled: 'cancel' });
console.log(`not sent: the dentist, ${(await dentist.wait()).errs()[0]?.code}`);
console.log(`sent: ${sent.join(', ')}`);

/* Output:
4 reminders, lunch is scheduled
jog: it rains
to Ada: lunch
to Bob: stretch
to Ada: rent
the bus: expired
digest 1: 3 reminders were sent
digest 2: 3 reminders were sent
digest 3: 3 reminders were sent
not sent: the dentist, CQ_QUEUE_CLOSED
sent: lunch, stretch, rent
*/
