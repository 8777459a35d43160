import { type EmitterEvent, snapshotEvent } from '../emitter/index.ts';
import type { Codec } from './codec.ts';

const shared = {
  path: '',
  snapshot: (event: EmitterEvent): EmitterEvent => snapshotEvent('HttpEmitter', event),
  encode: (event: EmitterEvent): string => JSON.stringify(event),
};

/** An array of events as `application/json`, to the endpoint's own path. Values keep their types. */
export function json(): Codec {
  return JSON_ARRAY;
}

/** An event a line as `application/x-ndjson`, to the endpoint's own path. Values keep their types. */
export function ndjson(): Codec {
  return JSON_LINES;
}

const JSON_ARRAY: Codec = Object.freeze({
  ...shared,
  contentType: 'application/json',
  opening: '[',
  separator: ',',
  closing: ']',
});

const JSON_LINES: Codec = Object.freeze({
  ...shared,
  contentType: 'application/x-ndjson',
  opening: '',
  separator: '\n',
  closing: '\n',
});
