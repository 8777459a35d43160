import type { EmitterEvent } from 'collector-queue/emitter';
import { type Codec, json, ndjson, passthrough } from 'collector-queue/http';
import { MemoryEventStore } from 'collector-queue/store';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { acted, emitterTo, event, farSide, inputAll, inputIds, type SceneOptions, wired } from './scene.ts';
import { type Received, serve } from './server.ts';

const NOW = '1700000000000';

/** The one request that these events make. */
async function requestOf(given: readonly EmitterEvent[], options: SceneOptions = {}, path = ''): Promise<Received> {
  const server = await serve();
  const scene = emitterTo(`${server.url}${path}`, options);
  inputAll(scene, given);
  await scene.emitter.flush();
  expect(server.requests).toHaveLength(1);
  expect(scene.told).toMatchObject([{ outcome: 'sent' }]);
  return server.received(1);
}

describe('a POST', () => {
  test("is Snowplow's tracker protocol, byte for byte", async () => {
    const { method, url, headers, raw } = await requestOf([
      { e: 'pv', page: 'é€😀"\\', n: 1, yes: true, none: null, left: undefined, co: { a: [1] } },
      { e: 'se' },
    ]);
    expect({ method, url }).toEqual({ method: 'POST', url: '/com.snowplowanalytics.snowplow/tp2' });
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(headers).not.toHaveProperty('sp-anonymous');
    expect(headers).not.toHaveProperty('content-encoding');
    expect(headers['content-length']).toBe(String(raw.length));
    expect(raw.toString()).toBe(
      '{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[' +
        `{"e":"pv","page":"é€😀\\"\\\\","n":"1","yes":"true","co":"{\\"a\\":[1]}","stm":"${NOW}"},` +
        `{"e":"se","stm":"${NOW}"}]}`,
    );
  });

  test('has an envelope of 88 bytes, and 22 for each stm, as the trackers reckon', async () => {
    const { raw } = await requestOf([event(1)]);
    expect(raw.length).toBe(88 + JSON.stringify(event(1)).length + 22);
  });

  test('replaces a stm that the event has, and keeps any other name', async () => {
    const odd: EmitterEvent = JSON.parse('{"stm":"1","__proto__":"p","constructor":"c","":"e"}');
    const { raw } = await requestOf([odd, {}]);
    expect(raw.toString().match(/"stm"/g)).toHaveLength(2);
    expect(JSON.parse(raw.toString()).data).toEqual([
      JSON.parse(`{"stm":"${NOW}","__proto__":"p","constructor":"c","":"e"}`),
      { stm: NOW },
    ]);
  });

  test('is what a lone surrogate cannot break', async () => {
    const { raw } = await requestOf([{ page: 'a\ud800b' }]);
    expect(JSON.parse(raw.toString()).data).toEqual([{ page: 'a\ud800b', stm: NOW }]);
  });
});

describe('a GET', () => {
  test("is Snowplow's tracker protocol: one event in the query, all of it escaped", async () => {
    const given = { e: 'pv', 'a&b': 'c=d e+f', page: 'é€😀/?#', n: 1, none: null, co: { a: 1 } };
    const { method, url, headers, raw } = await requestOf([given], { method: 'get' });
    expect(method).toBe('GET');
    expect(url).toBe(
      `/i?stm=${NOW}&e=pv&a%26b=c%3Dd%20e%2Bf&page=%C3%A9%E2%82%AC%F0%9F%98%80%2F%3F%23&n=1&co=%7B%22a%22%3A1%7D`,
    );
    expect(raw).toHaveLength(0);
    expect(headers).not.toHaveProperty('content-type');
  });

  test('replaces a stm that the event has, and says a lone surrogate as the replacement character', async () => {
    const { url } = await requestOf([{ stm: '1', page: 'a\udc00b' }], { method: 'get' });
    expect(url).toBe(`/i?stm=${NOW}&page=a%EF%BF%BDb`);
  });
});

describe('json', () => {
  test("posts an array to the endpoint's own path, with values of every type", async () => {
    const given = { e: 'pv', n: 1, yes: true, none: null, left: undefined, object: { list: [1, 'é'] } };
    const { method, url, headers, raw } = await requestOf([given, {}], { codec: json() }, '/hook?token=a%20b');
    expect({ method, url }).toEqual({ method: 'POST', url: '/hook?token=a%20b' });
    expect(headers['content-type']).toBe('application/json');
    expect(raw.toString()).toBe('[{"e":"pv","n":1,"yes":true,"none":null,"object":{"list":[1,"é"]}},{}]');
  });
});

describe('ndjson', () => {
  test('posts a line for each event, the last one ended, too', async () => {
    const { url, headers, raw } = await requestOf([{ a: 'x\ny' }, { b: 2 }], { codec: ndjson() }, '/bulk/');
    expect(url).toBe('/bulk');
    expect(headers['content-type']).toBe('application/x-ndjson');
    expect(raw.toString()).toBe('{"a":"x\\ny"}\n{"b":2}\n');
  });
});

describe('passthrough', () => {
  test('adds the envelope and a fresh stm, and touches nothing else', async () => {
    const given = { e: 'pv', n: 1, none: null, object: { a: 1 }, stm: '1' };
    const { url, headers, raw } = await requestOf([given], { codec: passthrough() });
    expect(url).toBe('/com.snowplowanalytics.snowplow/tp2');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(JSON.parse(raw.toString()).data).toEqual([{ ...given, stm: NOW }]);
  });

  test('by GET is a query like any other', async () => {
    const { url } = await requestOf([{ e: 'pv', n: 1 }], { codec: passthrough(), method: 'get' });
    expect(url).toBe(`/i?stm=${NOW}&e=pv&n=1`);
  });
});

describe('a codec of one’s own', () => {
  const csv: Codec = {
    contentType: 'text/csv',
    path: '/rows',
    queryPath: '/row',
    opening: 'eid;sent\n',
    separator: '\n',
    closing: '\n.',
    snapshot: ({ eid }) => ({ eid }),
    encode: ({ eid }, sentAt) => `${eid};${sentAt}`,
    query: ({ eid }, sentAt) => `eid=${eid}&at=${sentAt}`,
  };

  test('decides about everything of a request', async () => {
    const posted = await requestOf([event(1), event(2)], { codec: csv }, '/base/');
    expect(posted.url).toBe('/base/rows');
    expect(posted.headers['content-type']).toBe('text/csv');
    expect(posted.raw.toString()).toBe(`eid;sent\n1;${NOW}\n2;${NOW}\n.`);
    const got = await requestOf([event(1)], { codec: csv, method: 'get' }, '/base/?k=v');
    expect(got.url).toBe(`/base/row?k=v&eid=1&at=${NOW}`);
  });

  test('decides what is kept of an event, and what is refused', async () => {
    const picky: Codec = {
      ...csv,
      snapshot: (given) => {
        if (given.eid === '2') throw new RangeError('not two');
        return given;
      },
    };
    const { emitter, far } = acted([], { codec: picky });
    expect(() => emitter.input(event(2))).toThrow(RangeError);
    expect((await emitter.store(event(2)))._unsafeUnwrapErr()).toBeInstanceOf(RangeError);
    inputIds({ emitter }, 1);
    await emitter.flush();
    expect(far.requests).toMatchObject([{ body: `eid;sent\n1;${NOW}\n.` }]);
  });
});

test('what others put into the store is made to fit: all values become strings', async () => {
  for (const method of ['post', 'get'] as const) {
    const eventStore = new MemoryEventStore();
    eventStore.addNow({ e: 'pv', n: 5, none: null, co: { a: 1 } });
    const { emitter, far } = acted([], { eventStore, method });
    await emitter.flush();
    const [request] = far.requests;
    const sent =
      method === 'post'
        ? JSON.parse(request?.body ?? '').data[0]
        : Object.fromEntries(new URL(request?.url ?? '').searchParams);
    expect(sent).toEqual({ e: 'pv', n: '5', co: '{"a":1}', stm: NOW });
  }
});

test('what others put into the store, and cannot be sent, goes to the dead letter; the others are sent', async () => {
  const eventStore = new MemoryEventStore();
  eventStore.addNow({ e: 'pv', n: 1n });
  eventStore.addNow(event(2));
  const letters: unknown[] = [];
  const { emitter, far } = acted([], {
    eventStore,
    deadLetter: (events, { message }) => letters.push([events, message]),
  });
  await emitter.flush();
  expect(far.batches).toEqual([['2']]);
  expect(letters).toEqual([[[{ e: 'pv', n: 1n }], expect.stringContaining('event.n')]]);
});

describe('headers', () => {
  test('are sent with each request, whatever the method', async () => {
    const headers = { authorization: 'Bearer x', 'X-Own': 'y' };
    for (const method of ['post', 'get'] as const) {
      const received = await requestOf([event(1)], { headers, method });
      expect(received.headers).toMatchObject({ authorization: 'Bearer x', 'x-own': 'y' });
    }
  });

  test('win over those of the wire format, in any case of letters', async () => {
    const { headers } = await requestOf([event(1)], {
      headers: { 'CONTENT-TYPE': 'application/vnd.own', 'sp-anonymous': 'no' },
      anonymous: true,
    });
    expect(headers).toMatchObject({ 'content-type': 'application/vnd.own', 'sp-anonymous': 'no' });
  });

  test('of anonymous: SP-Anonymous: *', async () => {
    for (const method of ['post', 'get'] as const) {
      const { headers } = await requestOf([event(1)], { anonymous: true, method });
      expect(headers['sp-anonymous']).toBe('*');
    }
  });

  test('are those of the time when the emitter was made', async () => {
    const headers: Record<string, string> = { 'x-own': 'before' };
    const scene = await wired([], { headers });
    headers['x-own'] = 'after';
    inputIds(scene, 1);
    await scene.emitter.flush();
    expect((await scene.server.received(1)).headers['x-own']).toBe('before');
  });
});

describe('compression', () => {
  test('is gzip for bodies above a size, and off below it and by default', async () => {
    const large = { ...event(1), page: 'x'.repeat(10_000) };
    const plain = await requestOf([large]);
    expect(plain.headers).not.toHaveProperty('content-encoding');
    const size = plain.raw.length;
    const at = await requestOf([large], { compression: { gzipAbove: size } });
    expect(at.headers).not.toHaveProperty('content-encoding');
    const above = await requestOf([large], { compression: { gzipAbove: size - 1 } });
    expect(above.headers['content-encoding']).toBe('gzip');
    expect(above.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(above.raw.length).toBeLessThan(size / 10);
    expect(above.body.toString()).toBe(plain.raw.toString());
  });

  test('goes by bytes, not by characters', async () => {
    const { headers, body } = await requestOf([{ page: '€'.repeat(100) }], { compression: { gzipAbove: 300 } });
    expect(body.length).toBeGreaterThan(300);
    expect(body.toString().length).toBeLessThan(300);
    expect(headers['content-encoding']).toBe('gzip');
  });

  test('of 0 is for every body, and never for a GET', async () => {
    const posted = await requestOf([{}], { compression: { gzipAbove: 0 } });
    expect(posted.headers['content-encoding']).toBe('gzip');
    const got = await requestOf([{}], { compression: { gzipAbove: 0 }, method: 'get' });
    expect(got.headers).not.toHaveProperty('content-encoding');
  });

  test('comes after byteLimit, which is about what was compressed', async () => {
    const scene = await wired([], { compression: { gzipAbove: 0 }, byteLimit: 500 });
    inputIds(scene, 1, 10);
    await scene.emitter.flush();
    expect(scene.server.requests.length).toBeGreaterThan(1);
    for (const { body } of scene.server.requests) expect(body.length).toBeLessThanOrEqual(500);
    expect(scene.server.events).toHaveLength(10);
  });
});

describe('the endpoint', () => {
  const POST = '/com.snowplowanalytics.snowplow/tp2';

  test.each<[endpoint: string, options: SceneOptions, post: string]>([
    ['collector.test', {}, `https://collector.test${POST}`],
    ['collector.test/', {}, `https://collector.test${POST}`],
    ['collector.test///', {}, `https://collector.test${POST}`],
    ['collector.test', { protocol: 'http' }, `http://collector.test${POST}`],
    ['collector.test', { port: 8080 }, `https://collector.test:8080${POST}`],
    ['collector.test', { port: 443 }, `https://collector.test${POST}`],
    ['collector.test:9090', {}, `https://collector.test:9090${POST}`],
    ['collector.test:9090', { port: 8080 }, `https://collector.test:9090${POST}`],
    ['http://collector.test', {}, `http://collector.test${POST}`],
    ['http://collector.test', { protocol: 'https' }, `http://collector.test${POST}`],
    ['HTTPS://Collector.Test', { protocol: 'http' }, `https://collector.test${POST}`],
    ['http://collector.test:80', { port: 8080 }, `http://collector.test${POST}`],
    ['https://collector.test:443/', { port: 8080 }, `https://collector.test${POST}`],
    ['collector.test:443', { port: 8080 }, `https://collector.test${POST}`],
    ['http://collector.test/a/b/', {}, `http://collector.test/a/b${POST}`],
    ['collector.test/a:80', { port: 8080 }, `https://collector.test:8080/a:80${POST}`],
    ['http://collector.test/?key=a%26b', {}, `http://collector.test${POST}?key=a%26b`],
    ['collector.test/?from=http://a.test', {}, `https://collector.test${POST}?from=http://a.test`],
    ['http://collector.test/?from=file:///a', {}, `http://collector.test${POST}?from=file:///a`],
    ['127.0.0.1:1234', { protocol: 'http' }, `http://127.0.0.1:1234${POST}`],
    ['http://[::1]', { port: 8080 }, `http://[::1]:8080${POST}`],
    ['http://[::1]:80', { port: 8080 }, `http://[::1]${POST}`],
    ['bücher.test', {}, `https://xn--bcher-kva.test${POST}`],
  ])('%j with %j is %s', async (endpoint, options, post) => {
    const clock = new ManualClock();
    const far = farSide(clock);
    const scene = emitterTo(endpoint, { ...options, clock, fetch: far.fetch });
    inputIds(scene, 1);
    await scene.emitter.flush();
    expect(far.requests.map(({ url }) => url)).toEqual([post]);
  });
});

test('the metrics count what was done, and what it cost', async () => {
  const scene = acted([200, 500, 400, 413, new Error('reset')], { batchSize: 2, deadLetter: () => undefined });
  for (let id = 1; id <= 9; id += 2) {
    inputIds(scene, id, id + 1);
    await scene.emitter.flush();
  }
  await scene.emitter.flush();
  await scene.emitter.flush();
  const { bytes, ...metrics } = scene.emitter.getMetrics();
  expect(metrics).toEqual({
    size: 0,
    inFlight: 0,
    accepted: 10,
    refused: 0,
    dropped: 0,
    sent: 8,
    deadLettered: 2,
    requests: scene.far.requests.length,
    failedRequests: 4,
    retryDelay: 0,
  });
  expect(bytes).toBe(scene.far.requests.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0));
});

test('the metrics count the bytes of queries, too', async () => {
  const { emitter, far } = acted([], { method: 'get' });
  inputIds({ emitter }, 1, 2);
  await emitter.flush();
  const queries = far.requests.map(({ url }) => new URL(url).search.slice(1));
  expect(emitter.getMetrics().bytes).toBe(queries.join('').length);
});
