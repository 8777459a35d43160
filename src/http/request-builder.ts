import { asError, describe } from '../core/errors.ts';
import type { StoredEvent } from '../store/index.ts';
import type { HttpEmitterSettings } from './settings.ts';
import type { Request } from './transport.ts';

/** A request, the events in it, and what of the given events is not. */
export interface BuiltRequest {
  /** Undefined if nothing of what was looked at can be sent. */
  readonly request: Request | undefined;
  readonly events: readonly StoredEvent[];
  /** Younger events, for which there was no room. */
  readonly rest: readonly StoredEvent[];
  /** Events that the wire format could not write, each with the reason. */
  readonly unsendable: readonly (readonly [StoredEvent, Error])[];
}

/** Writes events as requests, as many in one as its method and its limit allow, in their order. */
export class RequestBuilder {
  readonly #settings: HttpEmitterSettings;
  readonly #envelope: number;
  readonly #separator: number;

  constructor(settings: HttpEmitterSettings) {
    const { opening, separator, closing } = settings.codec;
    this.#settings = settings;
    this.#envelope = Buffer.byteLength(opening) + Buffer.byteLength(closing);
    this.#separator = Buffer.byteLength(separator);
  }

  /** The bytes of a request with no event. */
  get envelope(): number {
    return this.#settings.method === 'get' ? 0 : this.#envelope;
  }

  /** What an event adds to a request, in bytes. */
  sizeOf(event: StoredEvent['event']): number {
    return Buffer.byteLength(this.#write(event)) + (this.#settings.method === 'get' ? 0 : this.#separator);
  }

  build(events: readonly StoredEvent[]): BuiltRequest {
    const { byteLimit, batchSize, method } = this.#settings;
    const most = method === 'get' ? 1 : batchSize;
    const limited = byteLimit !== Number.POSITIVE_INFINITY;
    const texts: string[] = [];
    const sent: StoredEvent[] = [];
    const unsendable: [StoredEvent, Error][] = [];
    let room = byteLimit - this.#envelope;
    let at = 0;
    for (; at < events.length && sent.length < most; at++) {
      const event = events[at] as StoredEvent;
      try {
        const text = this.#write(event.event);
        if (limited) room -= Buffer.byteLength(text) + (sent.length === 0 ? 0 : this.#separator);
        if (room < 0 && sent.length > 0) break;
        texts.push(text);
        sent.push(event);
      } catch (thrown) {
        unsendable.push([event, asError(thrown)]);
      }
    }
    const request = sent.length === 0 ? undefined : this.#request(texts);
    return { request, events: sent, rest: events.slice(at), unsendable };
  }

  #request(texts: readonly string[]): Request {
    const { method, urls, codec } = this.#settings;
    if (method === 'get') return { url: urls.get(texts[0] as string), body: undefined };
    return { url: urls.post, body: codec.opening + texts.join(codec.separator) + codec.closing };
  }

  #write(event: StoredEvent['event']): string {
    const { method, codec, clock } = this.#settings;
    const sentAt = clock.wall();
    const text: unknown = method === 'get' ? codec.query?.(event, sentAt) : codec.encode(event, sentAt);
    if (typeof text === 'string') return text;
    throw new TypeError(`the codec wrote an event as ${describe(text)}`);
  }
}
