import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { CollectorQueueError } from '../core/errors.ts';
import { dial, mayPass, type Peer, reasonOf, reasonOfSilence } from './dial.ts';
import { SpoolRefusedError, SpoolUnreachableError } from './errors.ts';
import { LineSplitter } from './line-splitter.ts';
import { lineOf, PROTOCOL_VERSION, type ServerFrame } from './protocol.ts';

/** Where a daemon is, and what it wants to hear. */
export interface SpoolAddress {
  readonly path?: string | undefined;
  /** @default '127.0.0.1' */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly token?: string | undefined;
  /** Speaks TLS: what `tls.connect` of Node wants to know (`ca`, `servername`). With `port` alone. */
  readonly tls?: ConnectionOptions | undefined;
}

/** Answers are as long as the events in them. */
const LONGEST_ANSWER = 2 ** 28;

/** How long a daemon may take to be connected to, and to answer for the first time. Milliseconds. */
const FIRST_ANSWER = 10_000;

/**
 * Asks a running daemon, and yields its answers. Rejects with a {@link SpoolRefusedError} if it says no, with a
 * {@link SpoolUnreachableError} if there is no way to it.
 */
export async function* askSpool(
  address: SpoolAddress,
  command: string,
  body: Readonly<Record<string, unknown>> = {},
): AsyncGenerator<Readonly<Record<string, unknown>>, void> {
  // Where no token is wanted, no name is needed either.
  const introduction = address.token === undefined ? [] : [helloOf(address)];
  const question = { ...body, $: 'spool', id: 1, command };
  for await (const frame of conversation(address, ...introduction, question)) {
    if (frame.$ !== 'spool') continue;
    const { error, done } = frame;
    if (typeof error === 'string') throw new SpoolRefusedError('bad_frame', error, false);
    if (done === true) return;
    yield frame;
  }
}

/** Resolves if the daemon is there, and takes the token. Rejects as {@link askSpool} does. */
export async function greetSpool(address: SpoolAddress): Promise<void> {
  for await (const frame of conversation(address, helloOf(address))) if (frame.$ === 'welcome') return;
}

/** What a daemon says to the end of the connection; which is an error, if it comes before all was read that is wanted. */
async function* conversation(address: SpoolAddress, ...said: readonly object[]): AsyncGenerator<ServerFrame, void> {
  const peer = peerOf(address);
  const { socket, opened } = dial(peer);
  const impatience = setTimeout(() => {
    socket.destroy(unreachable(`it did not answer within ${FIRST_ANSWER} ms`, true));
  }, FIRST_ANSWER);
  let silence = reasonOfSilence(peer);
  try {
    await once(socket, opened);
    // A question may take its time, a ping does not.
    socket.write([{ $: 'ping', id: 0 }, ...said].map(lineOf).join(''));
    for await (const frame of framesOf(socket)) {
      clearTimeout(impatience);
      silence = 'it ended the connection before it had answered';
      if (frame.$ === 'error') throw new SpoolRefusedError(frame.code, frame.message, frame.retryable);
      yield frame;
    }
  } catch (error) {
    throw error instanceof CollectorQueueError ? error : unreachable(reasonOf(error, peer), mayPass(error), error);
  } finally {
    clearTimeout(impatience);
    socket.destroy();
  }
  throw unreachable(silence, false);
}

function helloOf({ token }: SpoolAddress): object {
  return { $: 'hello', version: PROTOCOL_VERSION, client: `control-${randomUUID()}`, token };
}

function unreachable(reason: string, retryable: boolean, cause?: unknown): SpoolUnreachableError {
  return new SpoolUnreachableError(`no daemon answers: ${reason}`, retryable, cause);
}

function peerOf({ path, host = '127.0.0.1', port = 0, tls }: SpoolAddress): Peer {
  return { address: path === undefined ? { type: 'tcp', host, port } : { type: 'unix', path }, tls };
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
