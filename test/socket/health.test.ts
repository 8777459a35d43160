import { request } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HealthServer, ListenError, prometheusText, type SpoolMetrics } from '../../src/socket/index.ts';
import { rejectionOf } from '../core/scene.ts';
import { running } from './daemon-scene.ts';
import { some, until } from './scene.ts';

const METRICS: SpoolMetrics = {
  received: 1,
  acknowledged: 2,
  refused: 3,
  stored: 4,
  storedBytes: 5,
  oldestAge: 6_500,
  sent: 7,
  retried: 8,
  deadLettered: 9,
  deadLetters: 10,
  deadLettersFull: true,
  dropped: 11,
  quarantined: 12,
  connections: 13,
  retryDelay: 1_400,
  uptime: 15_000,
};

interface Page {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

function page(port: number, path: string, method = 'GET'): Promise<Page> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], body }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function health(metrics: () => Promise<SpoolMetrics>): Promise<{ server: HealthServer; port: number }> {
  const server = new HealthServer(metrics);
  const port = await server.listen(0);
  onTestFinished(() => server.close());
  return { server, port };
}

/** As the text format has it: https://prometheus.io/docs/instrumenting/exposition_formats/ */
function parsed(text: string): Map<string, { type: string; help: string; value: number }> {
  const found = new Map<string, { type: string; help: string; value: number }>();
  expect(text.endsWith('\n')).toBe(true);
  const lines = text.slice(0, -1).split('\n');
  for (let at = 0; at < lines.length; at += 3) {
    const [, name, help] = /^# HELP ([a-z_][a-z0-9_]*) (.+)$/.exec(lines[at] as string) as unknown as string[];
    const [, typed, type] = /^# TYPE (\S+) (counter|gauge)$/.exec(lines[at + 1] as string) as unknown as string[];
    const [, valued, value] = /^(\S+) (-?[\d.e+]+)$/.exec(lines[at + 2] as string) as unknown as string[];
    expect([typed, valued]).toEqual([name, name]);
    found.set(name as string, { type: type as string, help: help as string, value: Number(value) });
  }
  return found;
}

describe('the metrics', () => {
  test('as text have each figure once, in the base units of Prometheus', () => {
    const found = parsed(prometheusText(METRICS));
    expect(found.size).toBe(Object.keys(METRICS).length);
    const values = [...found].map(([name, { value }]) => [name.replace('collector_queue_spool_', ''), value]);
    expect(Object.fromEntries(values)).toEqual({
      received_events_total: 1,
      acknowledged_events_total: 2,
      refused_events_total: 3,
      stored_events: 4,
      stored_bytes: 5,
      oldest_event_age_seconds: 6.5,
      sent_events_total: 7,
      retried_requests_total: 8,
      dead_lettered_events_total: 9,
      dead_letters: 10,
      dead_letters_full: 1,
      dropped_events_total: 11,
      quarantined_records: 12,
      connections: 13,
      retry_delay_seconds: 1.4,
      uptime_seconds: 15,
    });
    for (const [name, { type }] of found) expect(type === 'counter').toBe(name.endsWith('_total'));
  });

  test('of a daemon tell what became of every event', async () => {
    const { client, collector, daemon } = await running();
    collector.answer = ([event]) => (event?.n === 0 ? 400 : 200);
    const one = await client();
    await one.ask({ n: 0 });
    await until(async () => (await daemon.getMetrics()).deadLetters === 1);
    await one.ask(some(4, 1));
    await until(async () => (await daemon.getMetrics()).stored === 0);
    expect(await daemon.getMetrics()).toMatchObject({
      received: 5,
      acknowledged: 5,
      refused: 0,
      stored: 0,
      storedBytes: 0,
      oldestAge: 0,
      sent: 4,
      deadLettered: 1,
      deadLetters: 1,
      dropped: 0,
      quarantined: 0,
      connections: 1,
      retried: 0,
    });
    expect(Object.keys(await daemon.getMetrics()).sort()).toEqual(Object.keys(METRICS).sort());
    await collector.stop();
    await one.ask({ n: 9 });
    await until(async () => (await daemon.getMetrics()).retried > 0);
    const { oldestAge, storedBytes, stored, uptime } = await daemon.getMetrics();
    expect([stored, storedBytes]).toEqual([1, 7]);
    expect(oldestAge).toBeGreaterThan(0);
    expect(oldestAge).toBeLessThan(uptime);
  });

  test('of a daemon count as tried again what is, and nothing else', async () => {
    const { client, collector, daemon } = await running({ forward: { concurrency: 1 } });
    const statuses = [503, 429, 200, 400, 401, 403];
    collector.answer = () => statuses.shift() ?? 200;
    const one = await client();
    await one.ask({ n: 0 });
    await until(async () => (await daemon.getMetrics()).sent === 1);
    expect(await daemon.getMetrics()).toMatchObject({ retried: 2, deadLettered: 0 });
    for (let n = 1; n <= 3; n++) {
      await one.ask({ n });
      await until(async () => (await daemon.getMetrics()).deadLettered === n);
    }
    expect(await daemon.getMetrics()).toMatchObject({ retried: 2, sent: 1 });
    // Of two that are refused for one of them, the halves are tried again.
    collector.answer = (events) => (events.some(({ n }) => n === 8) ? 422 : 200);
    await one.ask([{ n: 8 }, { n: 9 }]);
    await until(async () => (await daemon.getMetrics()).stored === 0);
    expect(await daemon.getMetrics()).toMatchObject({ retried: 3, sent: 2, deadLettered: 4 });
  });

  test('of a daemon that has stopped can still be asked for', async () => {
    const { client, collector, daemon } = await running();
    await collector.stop();
    await (await client()).ask(some(2));
    await daemon.stop({ timeout: 0 });
    expect(await daemon.getMetrics()).toMatchObject({ stored: 2, connections: 0 });
  });
});

describe('the health server', () => {
  test('says how it is, and that it stops', async () => {
    let metrics = { ...METRICS, deadLettersFull: false };
    const { server, port } = await health(async () => metrics);
    const { status, type, body } = await page(port, '/health?verbose');
    expect([status, type, JSON.parse(body)]).toEqual([200, 'application/json', { status: 'ok', ...metrics }]);
    metrics = METRICS;
    const blocked = await page(port, '/health');
    expect([blocked.status, JSON.parse(blocked.body)]).toEqual([200, { status: 'blocked', ...METRICS }]);
    server.stopping();
    const stopping = await page(port, '/health');
    expect([stopping.status, JSON.parse(stopping.body).status]).toEqual([503, 'stopping']);
    expect((await page(port, '/metrics')).status).toBe(200);
  });

  test('has the metrics as text', async () => {
    const { port } = await health(async () => METRICS);
    const { type, body } = await page(port, '/metrics');
    expect([type, body]).toEqual(['text/plain; version=0.0.4', prometheusText(METRICS)]);
  });

  test('has nothing else, and takes nothing', async () => {
    const { port } = await health(async () => METRICS);
    expect((await page(port, '/')).status).toBe(404);
    expect((await page(port, '/health/../metrics')).status).toBe(404);
    expect((await page(port, '/health', 'POST')).status).toBe(405);
    expect(await page(port, '/health', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  test('says so if the figures cannot be had', async () => {
    const { port } = await health(() => Promise.reject(new Error('no figures')));
    expect(await page(port, '/metrics')).toMatchObject({ status: 500, body: 'Error: no figures' });
  });

  test('that cannot listen says where, and why', async () => {
    const { port } = await health(async () => METRICS);
    const error = await rejectionOf(new HealthServer(async () => METRICS).listen(port));
    expect(error).toBeInstanceOf(ListenError);
    expect((error as Error).message).toMatch(new RegExp(`port ${port} .*EADDRINUSE`));
  });
});
