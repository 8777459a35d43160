import { connect, type Socket } from 'node:net';
import { describeThrown } from '../core/errors.ts';
import { SpoolRefusedError } from './errors.ts';
import { LineSplitter } from './line-splitter.ts';
import { lineOf, PROTOCOL_VERSION, type ServerFrame } from './protocol.ts';

/** Where a daemon is, and what it wants to hear. */
export interface SpoolAddress {
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly token?: string | undefined;
}

/** Answers are as long as the events in them. */
const LONGEST_ANSWER = 2 ** 28;

/**
 * Asks a running daemon, and yields its answers. Rejects with a {@link SpoolRefusedError} if it says no, or with what came
 * between.
 */
export async function* askSpool(
  address: SpoolAddress,
  command: string,
  body: Readonly<Record<string, unknown>> = {},
): AsyncGenerator<Readonly<Record<string, unknown>>, void> {
  const { path, host, port, token } = address;
  const socket = path === undefined ? connect({ host: host ?? '127.0.0.1', port: port ?? 0 }) : connect({ path });
  try {
    await connected(socket);
    if (token !== undefined)
      socket.write(lineOf({ $: 'hello', version: PROTOCOL_VERSION, client: `control-${process.pid}`, token }));
    socket.write(lineOf({ ...body, $: 'spool', id: 1, command }));
    for await (const frame of framesOf(socket)) {
      if (frame.$ === 'error') throw new SpoolRefusedError(frame.code, frame.message, frame.retryable);
      if (frame.$ !== 'spool') continue;
      const { error, done } = frame;
      if (typeof error === 'string') throw new SpoolRefusedError('bad_frame', error, false);
      if (done === true) return;
      yield frame;
    }
    throw new SpoolRefusedError('closing', 'it ended the connection before it had answered', true);
  } finally {
    socket.destroy();
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', (error) => reject(new Error(`no daemon answers: ${describeThrown(error)}`, { cause: error })));
  });
}

async function* framesOf(socket: Socket): AsyncGenerator<ServerFrame, void> {
  const splitter = new LineSplitter(LONGEST_ANSWER);
  for await (const chunk of socket) {
    const lines: string[] = [];
    if (!splitter.push(chunk as Buffer, (line) => lines.push(line.toString('utf8'))))
      throw new Error('an answer is too long');
    for (const line of lines) yield frameOf(line);
  }
}

function frameOf(line: string): ServerFrame {
  try {
    return JSON.parse(line) as ServerFrame;
  } catch {
    throw new SpoolRefusedError(
      'bad_json',
      'what it answers is no line of the protocol: is it another program?',
      false,
    );
  }
}
