import { spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SocketEmitter } from '../../../src/socket/client/index.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { aWhile, until } from './daemon-double.ts';
import { numbered, scene } from './scene.ts';

describe('the hello', () => {
  test('names the version, a client that nobody else is, and the token', async () => {
    const { daemon, emitter } = await scene({ token: 'secret' });
    await emitter.store({ n: 1 });
    const [hello] = daemon.hellos;
    expect(hello).toEqual({
      $: 'hello',
      version: 1,
      client: expect.stringMatching(/^.+-\d+-[0-9a-f-]{36}$/),
      token: 'secret',
    });
    expect(String(hello?.client)).toContain(String(process.pid));
  });

  test('has the name that was given', async () => {
    const { daemon, emitter } = await scene({ client: 'web-1' });
    await emitter.store({ n: 1 });
    expect(daemon.hellos[0]).toEqual({ $: 'hello', version: 1, client: 'web-1' });
  });

  test('comes before anything else, and nothing is sent before it is answered', async () => {
    const { daemon, emitter } = await scene();
    daemon.greet = () => undefined;
    emitter.input({ n: 1 });
    await until(() => daemon.frames.length === 1);
    await aWhile();
    expect(daemon.frames).toEqual(daemon.hellos);
  });

  test('that is not answered in time leads to another connection', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock, connectTimeout: 300 });
    daemon.greet = () => undefined;
    emitter.input({ n: 1 });
    await until(() => daemon.hellos.length === 1, clock);
    daemon.greet = () => ({});
    await clock.advance(320);
    await until(() => daemon.stored.length === 1, clock);
    expect(daemon.hellos.length).toBe(2);
  });

  test.each(['unauthorized', 'bad_version'])('refused with %s is tried again after the longest delay', async (code) => {
    const clock = new ManualClock();
    const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const { daemon, emitter } = await scene({ clock, logger, maxRetryDelay: 5_000 });
    daemon.greet = () => ({ refuse: code });
    emitter.input({ n: 1 });
    await until(() => logger.error.mock.calls.length === 1, clock);
    await clock.advance(4_999);
    await aWhile(clock);
    expect(daemon.hellos.length).toBe(1);
    daemon.greet = () => ({});
    await clock.advance(1);
    await until(() => daemon.stored.length === 1, clock);
    expect(logger.error).toHaveBeenCalledOnce();
    expect(logger.error.mock.calls[0]?.[0].err).toMatchObject({ code: 'CQ_SPOOL_REFUSED', reason: code });
  });
});

describe('after a lost connection', () => {
  test('what was not acknowledged is sent again with the same numbers, less what is committed', async () => {
    const { daemon, emitter } = await scene({ batchSize: 2 });
    daemon.verdict = ({ seq }) => (seq === 1 ? 'commit' : seq === 2 ? 'swallow' : 'hold');
    const stored = numbered(8).map((event) => emitter.store(event));
    await until(() => daemon.events.length === 4);
    daemon.verdict = () => 'commit';
    daemon.cut();
    const results = await Promise.all(stored);
    expect(results.every((result) => result.isOk())).toBe(true);
    expect(daemon.seqs).toEqual([1, 2, 3, 4, 3, 4]);
    expect(daemon.stored).toEqual(numbered(8));
    expect(emitter.getMetrics()).toMatchObject({ reconnects: 1, acknowledged: 8, size: 0 });
  });

  test('a frame keeps its events, whatever came meanwhile', async () => {
    const { daemon, emitter } = await scene();
    daemon.verdict = () => 'hold';
    emitter.input({ n: 0 });
    await until(() => daemon.events.length === 1);
    emitter.input({ n: 1 });
    daemon.cut();
    emitter.input({ n: 2 });
    daemon.verdict = () => 'commit';
    await emitter.flush();
    expect(daemon.events.map(({ seq, events }) => [seq, events.length])).toContainEqual([1, 1]);
    expect(daemon.stored).toEqual(numbered(3));
  });

  test('the delays grow to the longest, and are taken anew after an answer', async () => {
    const clock = new ManualClock();
    const random = vi.spyOn(Math, 'random').mockReturnValue(1);
    onTestFinished(() => void random.mockRestore());
    const { daemon, emitter } = await scene({ clock, maxRetryDelay: 500 }, true);
    const attempts: number[] = [];
    emitter.input({ n: 1 });
    for (const delay of [100, 200, 400, 500, 500]) {
      // One timer for the process, one for the delay; an attempt that fails makes the next.
      await until(() => clock.pendingTimers === 2, clock);
      await aWhile(clock);
      await clock.advance(delay - 1);
      attempts.push(clock.now());
      await clock.advance(1);
    }
    expect(attempts).toEqual([99, 299, 699, 1_199, 1_699]);
    await daemon.start();
    await clock.advance(500);
    await until(() => daemon.stored.length === 1, clock);
    daemon.cut();
    await until(() => !emitter.getMetrics().connected, clock);
    await clock.advance(100);
    await until(() => emitter.getMetrics().connected, clock);
    expect(emitter.getMetrics().reconnects).toBe(1);
  });

  test('flush does not wait for the delay', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock, maxRetryDelay: 5_000 }, true);
    vi.spyOn(Math, 'random').mockReturnValue(1);
    emitter.input({ n: 1 });
    await aWhile(clock);
    await daemon.start();
    void emitter.flush();
    await until(() => daemon.stored.length === 1, clock);
    expect(clock.now()).toBe(0);
  });

  test('the daemon says closing, and is back', async () => {
    const { daemon, emitter } = await scene();
    await emitter.store({ n: 1 });
    daemon.send({ $: 'error', code: 'closing', message: 'bye', retryable: true });
    await until(() => !emitter.getMetrics().connected);
    expect((await emitter.store({ n: 2 })).isOk()).toBe(true);
    expect(daemon.stored).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test('wherever the connection is cut, each event is there once', async () => {
    const { daemon, emitter } = await scene({ batchSize: 1 });
    let cuts = 0;
    daemon.verdict = ({ seq }) => {
      if (cuts >= 6 || seq % 3 !== 0) return 'commit';
      return cuts++ % 2 === 0 ? 'cut' : 'commitAndCut';
    };
    for (const event of numbered(30)) emitter.input(event);
    expect(await emitter.flush()).toBe(true);
    expect(daemon.stored).toEqual(numbered(30));
    expect(cuts).toBe(6);
  });
});

describe('a name', () => {
  test('that the daemon knows already is given up for one that it does not', async () => {
    const { daemon, emitter } = await scene({ client: 'me' });
    daemon.clients.set('me', { committed: 41, taken: 41 });
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    expect(daemon.hellos.map(({ client }) => client)).toEqual(['me', expect.stringMatching(/^me-[0-9a-f-]{36}$/)]);
    expect(daemon.seqs).toEqual([1]);
  });

  test('that the daemon has forgotten is given up, and what is left is numbered from 1', async () => {
    const { daemon, emitter } = await scene({ batchSize: 1 });
    daemon.verdict = ({ seq }) => (seq < 3 ? 'commit' : 'hold');
    for (const event of numbered(4)) emitter.input(event);
    await until(() => daemon.events.length === 4);
    await until(() => emitter.getMetrics().acknowledged === 2);
    daemon.clients.clear();
    daemon.verdict = () => 'commit';
    daemon.cut();
    await emitter.flush();
    expect(daemon.stored).toEqual(numbered(4));
    expect(daemon.seqs).toEqual([1, 2, 3, 4, 1, 2]);
    expect(new Set(daemon.hellos.map(({ client }) => client)).size).toBe(2);
  });

  test('that another says it has is left to that one', async () => {
    const { daemon, emitter } = await scene({ client: 'me' });
    await emitter.store({ n: 1 });
    daemon.send({ $: 'error', code: 'replaced', message: 'elsewhere', retryable: false });
    await until(() => !emitter.getMetrics().connected);
    expect((await emitter.store({ n: 2 })).isOk()).toBe(true);
    expect(daemon.hellos.at(-1)?.client).not.toBe('me');
    expect(daemon.seqs).toEqual([1, 1]);
  });
});

describe('a daemon that is started with shorter lines', () => {
  test('gets what is left in shorter frames; what fits in none is refused', async () => {
    const { daemon, emitter } = await scene({ deadLetter: () => undefined });
    daemon.verdict = () => 'hold';
    const events = numbered(10).map(({ n }) => ({ n, text: 'x'.repeat(n === 5 ? 300 : 20) }));
    const stored = events.map((event) => emitter.store(event));
    await until(() => daemon.events.length === 1);
    daemon.verdict = () => 'commit';
    daemon.greet = () => ({ maxFrame: 200 });
    daemon.cut();
    const results = await Promise.all(stored);
    expect(results.map((result) => result.isOk())).toEqual(events.map(({ n }) => n !== 5));
    expect(daemon.stored).toEqual(events.filter(({ n }) => n !== 5));
    for (const frame of daemon.events.slice(1)) expect(JSON.stringify(frame).length).toBeLessThanOrEqual(200);
  });
});

describe('a refusal that can be tried again', () => {
  test.each(['full', 'disk'])('(%s) is tried again from the refused number on', async (code) => {
    const { daemon, emitter } = await scene({ batchSize: 1 });
    let refusals = 3;
    daemon.verdict = ({ seq }) => (seq === 2 && refusals-- > 0 ? { refuse: code, retryable: true } : 'commit');
    const stored = numbered(4).map((event) => emitter.store(event));
    expect((await Promise.all(stored)).every((result) => result.isOk())).toBe(true);
    expect(daemon.seqs).toEqual([1, 2, 3, 4, 2, 3, 4, 2, 3, 4, 2, 3, 4]);
    expect(daemon.stored).toEqual(numbered(4));
    expect(emitter.getMetrics().reconnects).toBe(0);
  });

  test('is waited out, and what comes meanwhile waits too', async () => {
    const clock = new ManualClock();
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const { daemon, emitter } = await scene({ clock, maxRetryDelay: 5_000 });
    daemon.verdict = () => ({ refuse: 'full', retryable: true });
    emitter.input({ n: 0 });
    await until(() => daemon.events.length === 1, clock);
    await aWhile(clock);
    emitter.input({ n: 1 });
    await clock.advance(99);
    await aWhile(clock);
    expect(daemon.events.length).toBe(1);
    daemon.verdict = () => 'commit';
    await clock.advance(1);
    await until(() => daemon.stored.length === 2, clock);
  });

  test('is not taken for the end by the answers to what followed', async () => {
    const clock = new ManualClock();
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { daemon, emitter } = await scene({ clock, batchSize: 1, connectTimeout: 5_000 });
    const sent: unknown[] = [];
    daemon.verdict = () => 'hold';
    for (const event of numbered(3)) emitter.input(event);
    await until(() => daemon.events.length === 3, clock);
    daemon.send({ $: 'error', code: 'full', message: '', retryable: true, seq: 1 });
    await clock.advance(1);
    await aWhile(clock);
    sent.push(daemon.events.length);
    daemon.send({ $: 'error', code: 'gap', message: '', retryable: true, seq: 2 });
    await aWhile(clock);
    sent.push(daemon.events.length);
    daemon.send({ $: 'error', code: 'gap', message: '', retryable: true, seq: 3 });
    await until(() => daemon.events.length === 6, clock);
    expect(sent).toEqual([3, 3]);
    expect(daemon.seqs).toEqual([1, 2, 3, 1, 2, 3]);
    expect(daemon.hellos.length).toBe(1);
  });

  test('whose followers are never answered ends the connection', async () => {
    const clock = new ManualClock();
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { daemon, emitter } = await scene({ clock, batchSize: 1, connectTimeout: 5_000 });
    daemon.verdict = () => 'hold';
    for (const event of numbered(2)) emitter.input(event);
    await until(() => daemon.events.length === 2, clock);
    daemon.send({ $: 'error', code: 'full', message: '', retryable: true, seq: 1 });
    await aWhile(clock);
    daemon.verdict = () => 'commit';
    await clock.advance(5_001);
    await until(() => daemon.stored.length === 2, clock);
    expect(daemon.hellos.length).toBe(2);
  });
});

describe('a daemon that breaks the protocol', () => {
  test.each<[string, string]>([
    ['no JSON', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a number', '1\n'],
    ['an acknowledgement of what was never sent', '{"$":"ack","seq":99}\n'],
    ['an acknowledgement without a number', '{"$":"ack","count":1}\n'],
    ['a gap where there is none', '{"$":"error","code":"gap","message":"","retryable":true,"seq":2}\n'],
    ['a refusal of nothing', '{"$":"error","code":"bad_json","message":"","retryable":false}\n'],
    ['a second welcome', '{"$":"welcome","version":1,"committed":0,"maxFrame":99999,"heartbeat":1000}\n'],
    ['a line without an end', 'x'.repeat(70_000)],
  ])('by %s is asked anew, and nothing is lost', async (_what, line) => {
    const { daemon, emitter } = await scene();
    await emitter.store({ n: 1 });
    daemon.verdict = () => 'hold';
    const stored = emitter.store({ n: 2 });
    await until(() => daemon.events.length === 2);
    daemon.verdict = () => 'commit';
    daemon.socket.write(line);
    expect((await stored).isOk()).toBe(true);
    expect(daemon.stored).toEqual([{ n: 1 }, { n: 2 }]);
    expect(daemon.hellos.length).toBe(2);
  });

  test('by a welcome that is none is asked anew', async () => {
    const { daemon, emitter } = await scene();
    let welcomes = 0;
    daemon.greet = () => (welcomes++ === 0 ? { maxFrame: -1 } : {});
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    expect(daemon.hellos.length).toBe(2);
  });

  test('frames of kinds that are not known are let be', async () => {
    const { daemon, emitter } = await scene();
    await emitter.store({ n: 1 });
    daemon.send({ $: 'news', of: 'a later version' });
    expect((await emitter.store({ n: 2 })).isOk()).toBe(true);
    expect(daemon.hellos.length).toBe(1);
  });

  test('answers in single bytes are understood', async () => {
    const replies = [
      '{"$":"welcome","version":1,"committed":0,"maxFrame":1000,"heartbeat":1000}\r\n',
      '\n{"$":"ack","seq":1}\n',
    ];
    const { server, port } = await listening((socket) => {
      socket.setNoDelay(true).on('data', () => {
        const bytes = [...(replies.shift() ?? '')];
        const next = (): void => {
          const byte = bytes.shift();
          if (byte !== undefined) socket.write(byte, () => setImmediate(next));
        };
        next();
      });
    });
    const emitter = new SocketEmitter({ host: '127.0.0.1', port });
    expect((await emitter.store({ n: 1 })).isOk()).toBe(true);
    await emitter.close();
    server.close();
  });
});

describe('a half-open connection', () => {
  test('is noticed after two heartbeats of silence, and given up', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock });
    daemon.greet = () => ({ heartbeat: 1_000 });
    emitter.input({ n: 1 });
    await until(() => emitter.getMetrics().acknowledged === 1, clock);
    daemon.answersPings = false;
    await clock.advance(1_000);
    await until(() => daemon.frames.some(({ $ }) => $ === 'ping'), clock);
    await clock.advance(999);
    expect(emitter.getMetrics().connected).toBe(true);
    daemon.answersPings = true;
    await clock.advance(1);
    expect(emitter.getMetrics().connected).toBe(false);
    await clock.advance(20);
    await until(() => emitter.getMetrics().connected, clock);
  });

  test('is not one whose pings are answered', async () => {
    const clock = new ManualClock();
    const { daemon, emitter } = await scene({ clock });
    daemon.greet = () => ({ heartbeat: 1_000 });
    emitter.input({ n: 1 });
    await until(() => emitter.getMetrics().acknowledged === 1, clock);
    for (let beat = 1; beat <= 5; beat++) {
      await clock.advance(1_000);
      await until(() => daemon.frames.filter(({ $ }) => $ === 'ping').length === beat, clock);
      await aWhile(clock);
    }
    expect(daemon.hellos.length).toBe(1);
  });
});

describe('a peer that does not read', () => {
  test('is not written to beyond what a socket holds, and input never waits', async () => {
    const { server, port, sockets } = await listening((socket) => {
      socket.once('data', () => {
        socket.write('{"$":"welcome","version":1,"committed":0,"maxFrame":1048576,"heartbeat":60000}\n');
        socket.pause();
      });
    });
    const emitter = new SocketEmitter({ host: '127.0.0.1', port, windowBytes: 2 ** 30 });
    emitter.input({ n: 0 });
    await until(() => emitter.getMetrics().unacknowledged === 1);
    const text = 'x'.repeat(10_000);
    for (let n = 1; n < 9_000; n++) {
      expect(emitter.input({ n, text })).toBe(true);
      if (n % 100 === 0) await new Promise(setImmediate);
    }
    expect(emitter.getMetrics().bytes).toBeLessThan(40_000_000);
    expect(emitter.getMetrics().size).toBe(9_000);
    await emitter.close({ timeout: 0 });
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe('a process', () => {
  const run = (path: string, body: string): Promise<{ readonly code: number | null; readonly output: string }> => {
    const door = join(import.meta.dirname, '../../../src/socket/client/index.ts');
    const source = `import { SocketEmitter } from ${JSON.stringify(door)};
      const emitter = new SocketEmitter({ path: ${JSON.stringify(path)} });
      ${body}`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', source]);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    return new Promise((resolve) => {
      child.on('close', (code) => resolve({ code, output }));
    });
  };

  test('ends by itself once everything is acknowledged, without a close', async () => {
    const { daemon } = await scene();
    daemon.verdict = () => 'hold';
    const ended = run(
      daemon.path,
      "emitter.input({ n: 1 }); process.on('exit', () => console.log(emitter.getMetrics().size));",
    );
    await until(() => daemon.events.length === 1);
    daemon.acknowledge();
    expect(await ended).toEqual({ code: 0, output: '0\n' });
  });

  test('that has nothing to say ends by itself, though there is a connection', async () => {
    const { daemon } = await scene();
    expect(
      await run(
        daemon.path,
        'await emitter.open(); setTimeout(() => console.log(emitter.getMetrics().connected), 100);',
      ),
    ).toEqual({
      code: 0,
      output: 'true\n',
    });
  });

  test('does not end while events wait for a daemon that is away', async () => {
    const { daemon } = await scene({}, true);
    const ended = run(daemon.path, 'emitter.input({ n: 1 });');
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(isOver).toBe(false);
    await daemon.start();
    expect(await ended).toEqual({ code: 0, output: '' });
    expect(daemon.stored).toEqual([{ n: 1 }]);
  });
});

interface Listening {
  readonly server: Server;
  readonly port: number;
  readonly sockets: Socket[];
}

function listening(accept: (socket: Socket) => void): Promise<Listening> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    accept(socket);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({ server, port: (server.address() as { port: number }).port, sockets }),
    );
  });
}
