import { promisify } from 'node:util';
import { gzip as gzipWithCallback } from 'node:zlib';
import { describeThrown } from '../core/errors.ts';
import type { Clock } from '../schedule/clock.ts';
import { HttpRequestError } from './errors.ts';

const gzip = promisify(gzipWithCallback);

/** No more of a reply is read; what a collector says is a few bytes. */
const MOST_REPLY_BYTES = 65_536;

/** What the emitter needs to know of a reply. */
export interface Reply {
  readonly status: number;
  readonly retryAfter: string | null;
}

/** A request that is ready to be sent: a POST with a body, a GET without. */
export interface Request {
  readonly url: string;
  readonly body: string | undefined;
}

export interface TransportSettings {
  readonly fetch: typeof fetch;
  readonly headers: Readonly<Record<string, string>>;
  /** The limit of a whole exchange: connecting, the headers, the body. Milliseconds. */
  readonly requestTimeout: number;
  /** Bodies of more bytes are compressed. */
  readonly gzipAbove: number;
  readonly clock: Clock;
}

/** Makes requests, each within its time limit, whatever the other side does. */
export class Transport {
  readonly #settings: TransportSettings;

  constructor(settings: TransportSettings) {
    this.#settings = settings;
  }

  /**
   * Resolves to the reply. Rejects with an {@link HttpRequestError} if there is none: a broken connection, the time
   * limit, or `stop` fired. Once the status is known, what happens to the rest of the reply changes nothing: the server
   * has decided.
   */
  send(request: Request, stop: AbortSignal): Promise<Reply> {
    const { clock, requestTimeout } = this.#settings;
    return new Promise((resolve, reject) => {
      const exchange = new Exchange();
      const timer = clock.setTimer(
        () => giveUp(new HttpRequestError(`no reply within ${requestTimeout} ms (requestTimeout)`)),
        requestTimeout,
      );
      const stopped = (): void => giveUp(new HttpRequestError('the emitter was closed during the request'));
      const end = (reply: Reply | undefined, error: unknown): void => {
        timer.cancel();
        stop.removeEventListener('abort', stopped);
        if (reply === undefined) reject(asRequestError(error));
        else resolve(reply);
      };
      const giveUp = (error: HttpRequestError): void => {
        exchange.abort(error);
        end(exchange.reply, error);
      };
      stop.addEventListener('abort', stopped);
      exchange.run(this.#settings, request).then(
        (reply) => end(reply, undefined),
        (thrown) => end(undefined, thrown),
      );
      if (stop.aborted) stopped();
    });
  }
}

/** One request and its reply. */
class Exchange {
  readonly #controller = new AbortController();
  /** Known before the body has come. */
  reply: Reply | undefined = undefined;

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  async run({ fetch, headers, gzipAbove }: TransportSettings, { url, body }: Request): Promise<Reply> {
    const { signal } = this.#controller;
    const isLarge = body !== undefined && gzipAbove !== Number.POSITIVE_INFINITY && Buffer.byteLength(body) > gzipAbove;
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: isLarge ? { ...headers, 'content-encoding': 'gzip' } : headers,
      body: isLarge ? await gzip(body) : (body ?? null),
      // Followed, a 301 would turn the POST into a GET without its body, and a 307 show our headers to another host.
      redirect: 'manual',
      signal,
    });
    this.reply = { status: response.status, retryAfter: response.headers.get('retry-after') };
    await drain(response).catch(() => undefined);
    return this.reply;
  }
}

/** Reads a reply to its end, so that its connection can be used again; one without end is cut. */
async function drain({ body }: Response): Promise<void> {
  if (body === null) return;
  const reader = body.getReader();
  let room = MOST_REPLY_BYTES;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    room -= value.byteLength;
    if (room < 0) return reader.cancel();
  }
}

/** What fetch throws says little; its cause says what happened. */
function asRequestError(thrown: unknown): HttpRequestError {
  if (thrown instanceof HttpRequestError) return thrown;
  const cause = thrown instanceof TypeError && thrown.cause !== undefined ? thrown.cause : thrown;
  return new HttpRequestError(`the request failed: ${describeThrown(cause)}`, { cause });
}
