/**
 * Snowplow's tracker for Node builds the events, an HttpEmitter sends them: with a flush interval, Retry-After, a dead
 * letter, and a durable store where one is given. The tracker takes any emitter, by its option `customEmitter`.
 *
 *     npm install @snowplow/node-tracker
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { buildPageView, buildSelfDescribingEvent, buildStructEvent, newTracker } from '@snowplow/node-tracker';
import { HttpEmitter } from 'collector-queue/http';

interface PayloadData {
  readonly schema: string;
  readonly data: Record<string, string>[];
}

// A collector, which says what it gets.
const server = createServer(async (request, response) => {
  const { schema, data } = (await json(request)) as PayloadData;
  console.log(`${request.method} ${request.url}, ${request.headers['content-type']}`);
  console.log(schema);
  for (const { e, tna, aid, p, uid, ...event } of data) {
    console.log({ e, tna, aid, p, uid }, event.url ?? event.se_ac ?? JSON.parse(event.ue_pr ?? '{}').data);
  }
  const pairs = data.flatMap(Object.values);
  console.log(`all strings: ${pairs.every((value) => typeof value === 'string')}`);
  console.log(`sent within a minute: ${data.every(({ stm, dtm }) => Number(stm) - Number(dtm) < 60_000)}`);
  response.end('ok');
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const emitter = new HttpEmitter('127.0.0.1', {
  protocol: 'http',
  port: (server.address() as AddressInfo).port,
  batchSize: 50,
  deadLetter: (events, reason) => console.error(`${events.length} events were refused`, reason),
});

const tracker = newTracker(
  { namespace: 'shop', appId: 'web', encodeBase64: false },
  {
    customEmitter: () => ({
      async input(payload) {
        const stored = await emitter.store(payload); // rather than `input`: nobody waits here for what that would throw
        if (stored.isErr()) console.error('an event was not taken', stored.error);
      },
      flush: () => emitter.flush(),
      // These are fixed when an HttpEmitter is made.
      setCollectorUrl: () => undefined,
      setAnonymousTracking: () => undefined,
      setBufferSize: () => undefined,
    }),
  },
);

tracker.setUserId('ada');
tracker.track(buildPageView({ pageUrl: 'https://example.com/prices', pageTitle: 'Prices' }));
tracker.track(buildStructEvent({ category: 'cart', action: 'add', property: 'sku-7', value: 2 }));
tracker.track(
  buildSelfDescribingEvent({
    event: { schema: 'iglu:com.example/paid/jsonschema/1-0-0', data: { cents: 1_000 } },
  }),
);
await tracker.flush();

const { sent, requests } = emitter.getMetrics();
console.log({ sent, requests });
await emitter.close();
server.close();

/* Output:
POST /com.snowplowanalytics.snowplow/tp2, application/json; charset=utf-8
iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4
{ e: 'pv', tna: 'shop', aid: 'web', p: 'srv', uid: 'ada' } https://example.com/prices
{ e: 'se', tna: 'shop', aid: 'web', p: 'srv', uid: 'ada' } add
{ e: 'ue', tna: 'shop', aid: 'web', p: 'srv', uid: 'ada' } {
  schema: 'iglu:com.example/paid/jsonschema/1-0-0',
  data: { cents: 1000 }
}
all strings: true
sent within a minute: true
{ sent: 3, requests: 1 }
*/
