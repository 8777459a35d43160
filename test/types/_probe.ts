import { Collector, CollectorQueue, ok, err, Payload, topicTypes, type CollectorEvent, type CollectorQueue as Q, type EventPublisher } from 'collector-queue';
const a = new Collector('a', async (p: Payload<number>) => (p.value > 1 ? ok(p.value) : err('x' as const)), { topics: ['n'] });
const b = new Collector('b', (p: Payload<string>) => p.value.length, { topics: 's' });
const q = new CollectorQueue([a, b], { topics: topicTypes<{ n: number; s: string; [k: `f/${string}`]: boolean }>() });
const pub = q.getPublisher();
const r = pub.send(new Payload(3, { keys: 'a' })).getResult();
const x: number | undefined = r?.get('a')?.unwrapOr(1);
pub.send(new Payload(3, { topics: ['n'] }));
pub.send(new Payload(true, { topics: 'f/1' }));
pub.publish('s', { topics: ['s'] }).getResult()?.get('b')?.map((n: number) => n);
// @ts-expect-error wrong value
pub.send(new Payload('3', { topics: ['n'] }));
// @ts-expect-error wrong topic
pub.send(new Payload(3, { topics: ['m'] }));
// @ts-expect-error wrong key
pub.send(new Payload(3, { keys: 'c' }));
// @ts-expect-error wrong value for key
pub.send(new Payload(3, { keys: 'b' }));
// @ts-expect-error broadcast of what b cannot take
pub.send(new Payload(3));
// @ts-expect-error get of a key that was not named
r?.get('b');
// @ts-expect-error
pub.publish(3, { topics: ['s'] });
const e: CollectorEvent = pub.send(new Payload(3, { keys: 'a' }));
const q2: Q = q; const p2: EventPublisher = pub;
const u = new CollectorQueue([new Collector('t', async (payload, ctx) => ok(await ctx.db.insert(payload.value)), { topics: ['sensor-data'], lifecycle: async function* () { const db = { insert: async (v: unknown) => 7 }; try { yield { db }; } finally { db.insert(1); } } })]);
const ur = await u.getPublisher().send(new Payload({ x: 1 }, { topics: ['sensor-data'] })).wait();
const un: number | undefined = ur.get('t')?.unwrapOr(1);
ur.first().match((v: number | undefined) => v, (er) => er.code);
pub.sendMany([new Payload(1, { keys: 'a' }), new Payload('s', { keys: 'b' })]);
u.getPublisher().send(new Payload(1, { keys: 'whatever' })).getResult()?.get('zzz');
void [x, e, q2, p2, un];
