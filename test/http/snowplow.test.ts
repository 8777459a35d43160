import {
  buildEcommerceTransaction,
  buildPagePing,
  buildPageView,
  buildSelfDescribingEvent,
  buildStructEvent,
  type NodeEmitterConfiguration,
  newTracker,
  type PayloadBuilder,
} from '@snowplow/node-tracker';
import { Ajv } from 'ajv';
import { type HttpEmitterOptions, passthrough } from 'collector-queue/http';
import { describe, expect, test } from 'vitest';
import { acted, emitterTo, event, inputAll, wired } from './scene.ts';
import { eventsOf, type ScriptedServer, serve } from './server.ts';

/** The names that iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4 knows. */
const NAMES = `tna aid p dtm tz e tid eid tv duid nuid uid vid ip res url page refr fp ctype cookie lang f_pdf f_qt
  f_realp f_wma f_dir f_fla f_java f_gears f_ag cd ds cs vp mac pp_mix pp_max pp_miy pp_may ad_ba ad_ca ad_ad ad_uid
  tr_id tr_af tr_tt tr_tx tr_sh tr_ci tr_st tr_co tr_cu ti_id ti_sk ti_nm ti_na ti_ca ti_pr ti_qu ti_cu sa sn st sp
  se_ca se_ac se_la se_pr se_va ue_na ue_pr ue_px co cx ua tnuid stm sid ttm`.split(/\s+/);

/** Its rule: a list that is not empty, of objects with three names at least and no others than these, all strings. */
const isPayloadData = new Ajv({ allErrors: true }).compile({
  type: 'array',
  minItems: 1,
  items: {
    type: 'object',
    required: ['tv', 'p', 'e'],
    additionalProperties: false,
    properties: Object.fromEntries(NAMES.map((name) => [name, { type: 'string' }])),
  },
});

const ENVELOPE = 'iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4';

function expectValid({ requests }: ScriptedServer): void {
  expect(requests.length).toBeGreaterThan(0);
  for (const { body } of requests) {
    const { schema, data, ...others } = JSON.parse(body.toString());
    expect(schema).toBe(ENVELOPE);
    expect(others).toEqual({});
    isPayloadData(data);
    expect(isPayloadData.errors ?? []).toEqual([]);
  }
}

/** Events of many kinds, as a tracker would make them. */
function tracked(): PayloadBuilder[] {
  const schema = 'iglu:com.acme/thing/jsonschema/1-0-0';
  return [
    buildPageView({
      pageUrl: 'https://example.com/?a=b&c=d#e',
      pageTitle: 'Ä "title" & 漢字 😀',
      referrer: 'http://r.test',
    }),
    buildPagePing({ pageUrl: 'https://example.com/', minXOffset: 1, maxXOffset: 2, minYOffset: 3, maxYOffset: 4 }),
    buildStructEvent({ category: 'shop', action: 'add+to basket', label: 'a=b', property: '100%', value: 12.5 }),
    buildSelfDescribingEvent({ event: { schema, data: { list: [1, { deep: 'é' }], none: null } } }),
    buildEcommerceTransaction({ orderId: '1', total: 10, currency: 'EUR', country: 'DE' }),
  ];
}

/** What the tracker's own emitter, and what ours, sends for the same events. */
async function sentByBoth(
  theirs: Omit<Extract<NodeEmitterConfiguration, { endpoint: string }>, 'endpoint'>,
  ours: HttpEmitterOptions,
  encodeBase64: boolean,
): Promise<[ScriptedServer, ScriptedServer]> {
  const [their, our] = [await serve(), await serve()];
  const { emitter } = emitterTo(our.url, ours as object);
  const bridge = {
    input: async (payload: Record<string, unknown>) => void emitter.input(payload),
    flush: () => emitter.flush(),
    setCollectorUrl: () => undefined,
    setAnonymousTracking: () => undefined,
    setBufferSize: () => undefined,
  };
  const tracker = newTracker({ namespace: 'ns', appId: 'app', encodeBase64 }, [
    { endpoint: their.url, bufferSize: 100, ...theirs },
    { customEmitter: () => bridge },
  ]);
  tracker.setUserId('user');
  tracker.setSessionId('session');
  tracker.setSessionIndex(7);
  tracker.setScreenResolution('1', '2');
  tracker.setColorDepth('24');
  const context = [{ schema: 'iglu:com.acme/context/jsonschema/1-0-0', data: { a: 'ß' } }];
  for (const built of tracked()) tracker.track(built, context, { type: 'ttm', value: 1_600_000_000_000 });
  await tracker.flush();
  await Promise.all([their, our].map(async (server) => server.received(ours.method === 'get' ? 5 : 1)));
  await tracker.flush();
  return [their, our];
}

/** The events of a server's requests, without the time of sending, which is a time. */
function dataOf({ requests }: ScriptedServer): Record<string, string>[] {
  return requests.flatMap(eventsOf).map(({ stm, ...rest }) => {
    expect(stm).toMatch(/^\d{13}$/);
    return rest;
  });
}

describe("beside the tracker's own emitter", () => {
  test.each([true, false])(
    'a POST is equivalent: path, content type, and events (base64: %s)',
    async (encodeBase64) => {
      const [their, our] = await sentByBoth({ eventMethod: 'post' }, {}, encodeBase64);
      expect(dataOf(our)).toHaveLength(5);
      expect(dataOf(our)).toEqual(dataOf(their));
      for (const server of [their, our]) {
        expectValid(server);
        for (const { method, url, headers } of server.requests) {
          expect({ method, url }).toEqual({ method: 'POST', url: '/com.snowplowanalytics.snowplow/tp2' });
          expect(headers['content-type']?.toLowerCase()).toBe('application/json; charset=utf-8');
          expect(headers).not.toHaveProperty('sp-anonymous');
        }
      }
      const [theirKeys, ourKeys] = [their, our].map(({ requests }) =>
        Object.keys(JSON.parse(String(requests[0]?.body))),
      );
      expect(ourKeys).toEqual(theirKeys);
    },
  );

  test.each([true, false])('a GET is equivalent: path and query (base64: %s)', async (encodeBase64) => {
    const [their, our] = await sentByBoth({ eventMethod: 'get' }, { method: 'get' }, encodeBase64);
    expect(dataOf(our)).toHaveLength(5);
    expect(dataOf(our)).toEqual(dataOf(their));
    for (const { method, url, headers } of [...their.requests, ...our.requests]) {
      expect(method).toBe('GET');
      expect(url).toMatch(/^\/i\?stm=\d{13}&/);
      expect(headers).not.toHaveProperty('content-type');
    }
    // Not only what the queries mean: every pair is written the same way.
    const pairs = ({ requests }: ScriptedServer): string[][] =>
      requests.map(({ url }) =>
        url
          .slice(url.indexOf('&') + 1)
          .split('&')
          .sort(),
      );
    expect(pairs(our)).toEqual(pairs(their));
  });

  test('anonymisation asks by the same header', async () => {
    const [their, our] = await sentByBoth({ serverAnonymization: true }, { anonymous: true }, false);
    for (const { requests } of [their, our]) expect(requests[0]?.headers['sp-anonymous']).toBe('*');
  });
});

describe('the rule of payload_data 1-0-4', () => {
  test('is kept by every POST, whatever types the values of events have, at each attempt and after each split', async () => {
    const scene = await wired([], { batchSize: 4 });
    const base = event(1);
    inputAll(scene, [
      base,
      { ...base, vid: 7, tr_tt: 12.5 },
      { ...base, cookie: true, f_pdf: false },
      { ...base, uid: null, refr: undefined },
      { ...base, co: { schema: 'x', data: [1] }, dtm: new Date(0) },
      { ...base, stm: 5 },
    ]);
    await scene.emitter.flush();
    expectValid(scene.server);
    expect(scene.server.events).toHaveLength(6);
  });

  test('is kept by passthrough for events that are in the protocol already', async () => {
    const scene = await wired([], { codec: passthrough() });
    inputAll(scene, [event(1), { ...event(2), stm: 'old' }]);
    await scene.emitter.flush();
    expectValid(scene.server);
  });

  test.each<[string, unknown]>([
    ['an empty list', []],
    ['no list', event(1)],
    ['a number', [{ ...event(1), vid: 7 }]],
    ['a name that it does not know', [{ ...event(1), own: 'x' }]],
    ['an event without its kind', [{ p: 'srv', tv: 'x' }]],
  ])('is one that can be broken: %s', (_, data) => {
    expect(isPayloadData(data)).toBe(false);
  });

  test('is not kept where passthrough is given what is not in the protocol: nothing is touched', async () => {
    const { emitter, far } = acted([], { codec: passthrough() });
    inputAll({ emitter }, [{ ...event(1), vid: 7 }]);
    await emitter.flush();
    expect(isPayloadData(JSON.parse(far.requests[0]?.body ?? '').data)).toBe(false);
  });
});
