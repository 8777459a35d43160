import type { EmitterEvent } from '../emitter/index.ts';

/**
 * A wire format: what of an event is kept, and how events become requests. A POST body is `opening`, the encoded events
 * with `separator` between them, then `closing`; so the size of a request is known before it is made.
 *
 * Own formats are objects of this shape. Methods are called often, and must not depend on `this`' state.
 */
export interface Codec {
  /** The `Content-Type` of a POST. */
  readonly contentType: string;
  /** Appended to the endpoint's path for a POST; empty for the endpoint's own path. */
  readonly path: string;
  /** Appended to the endpoint's path for a GET. Only with {@link Codec.query}. */
  readonly queryPath?: string;
  readonly opening: string;
  readonly separator: string;
  readonly closing: string;

  /**
   * The copy of an event that is kept until it is delivered. Flat, and made of what JSON can carry.
   *
   * @throws {@link InvalidArgumentError} that names the path of a value which cannot be sent.
   */
  snapshot(event: EmitterEvent): EmitterEvent;

  /** One event in a POST body. `sentAt` is the time of the attempt, in milliseconds since the Unix epoch. */
  encode(event: EmitterEvent, sentAt: number): string;

  /** The query of a GET with this one event, without `?`. A format that has none cannot be used with `method: 'get'`. */
  query?(event: EmitterEvent, sentAt: number): string;
}
