import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { err } from 'neverthrow';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SPOOL_ERRORS, type SpoolErrorCode } from '../../src/socket/index.ts';
import { StoreDiskError, StoreFullError } from '../../src/store/index.ts';
import { running } from '../socket/daemon-scene.ts';
import type { Reply } from '../socket/line-client.ts';
import { served, until } from '../socket/scene.ts';

/** How each code comes about, as docs/PROTOCOL.md has it: resolves to the reply. */
const OCCASIONS: Readonly<Record<Exclude<SpoolErrorCode, 'bad_version'>, () => Promise<Reply | undefined>>> = {
  bad_json: () => answerTo('{"a":\n'),
  bad_utf8: () => answerTo(Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a])),
  bad_frame: () => answerTo({ $: 'events', seq: 1, events: [] }),
  gap: async () => {
    const client = await (await served()).client();
    await client.hello('a');
    return client.ask({ $: 'events', seq: 2, events: [] });
  },
  full: () => answerTo({ n: 1 }, { commit: async () => err(new StoreFullError('full')) }),
  disk: () => answerTo({ n: 1 }, { commit: async () => err(new StoreDiskError('disk')) }),
  unauthorized: () => answerTo({ n: 1 }, { listen: 'tcp:127.0.0.1:0', token: 'secret' }),
  binary: () => answerTo(Buffer.from([0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00])),
  frame_too_large: () => answerTo(`"${'x'.repeat(200)}"\n`, { limits: { maxFrame: 100 } }),
  too_slow: () => answerTo('{"a":', { limits: { frameTimeout: 1 } }),
  idle: () => answerTo('', { limits: { idleTimeout: 1 } }),
  too_many_connections: async () => {
    const { client } = await served({ limits: { maxConnections: 1 } });
    await client();
    return (await client()).next();
  },
  too_many_bytes: () => answerTo('{"a":"0123456789"', { limits: { maxTotalBytes: 10 } }),
  replaced: async () => {
    const { client } = await served();
    const [one, other] = [await client(), await client()];
    await one.hello('a');
    await other.hello('a');
    return one.next();
  },
  closing: async () => {
    const { client, server } = await served();
    const one = await client();
    await until(() => server.connections === 1);
    void server.close();
    return one.next();
  },
};

async function answerTo(said: object | string | Buffer, options: Parameters<typeof served>[0] = {}) {
  const client = await (await served(options)).client();
  return said === '' ? client.next() : client.ask(said);
}

describe('of the codes of the table', () => {
  test.each(Object.entries(OCCASIONS))('%s is said when it is to be', { timeout: 20_000 }, async (code, occasion) => {
    const { retryable } = SPOOL_ERRORS[code as SpoolErrorCode];
    expect(await occasion()).toMatchObject({ $: 'error', code, retryable });
  });

  test('each has its occasion, but for one that only another version could say', () => {
    const codes = Object.keys(SPOOL_ERRORS).filter((code) => code !== 'bad_version');
    expect(Object.keys(OCCASIONS).sort()).toEqual(codes.sort());
  });
});

/** Notes what comes, byte for byte. */
async function listener(): Promise<{ readonly bodies: string[]; readonly url: string }> {
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    bodies.push(await text(request));
    response.end();
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return { bodies, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('what the page says of lines', () => {
  test.each([
    ['{"big":12345678901234567890}', '{"big":12345678901234567000'],
    ['{"one":1.0,"zero":-0}', '{"one":1,"zero":0'],
    ['{"a":1,"a":2}', '{"a":2'],
    ['[{"$":"ping","id":1}]', '{"$":"ping","id":1'],
  ])('%s is delivered as %s…', async (line, begins) => {
    const { bodies, url } = await listener();
    const { client } = await running({ endpoint: url });
    expect(await (await client()).ask(`${line}\n`)).toEqual({ $: 'ack', count: 1 });
    await until(() => bodies.length > 0);
    expect(bodies[0]).toContain(`"data":[${begins},"stm":`);
  });

  test('a number beyond a double is refused, an array of nothing is not', async () => {
    const { client } = await running();
    const one = await client();
    expect(await one.ask('{"n":1e400}\n')).toMatchObject({ code: 'bad_frame', retryable: false });
    expect(await one.ask('[]\n')).toEqual({ $: 'ack', count: 0 });
    await one.hello('a');
    expect(await one.ask({ $: 'hello', version: 1, client: 'b' })).toMatchObject({ code: 'bad_frame' });
    expect(await one.ask({ $: 'hello', version: 1, client: 'a' })).toMatchObject({ $: 'welcome', committed: 0 });
    expect(await one.ask({ $: 'hello', version: 0, client: 'a' })).toMatchObject({ code: 'bad_frame' });
    expect(await one.ask({ $: 'spool', id: 1 })).toMatchObject({ code: 'bad_frame' });
    expect(await one.ask({ $: 'ping' })).toEqual({ $: 'pong' });
  });
});
