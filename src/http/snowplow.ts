import { type EmitterEvent, snapshotEvent, snapshotStrings } from '../emitter/index.ts';
import type { Codec } from './codec.ts';

/*
 * Snowplow's tracker protocol, version 2, as its trackers speak it:
 * https://docs.snowplow.io/docs/sources/trackers/snowplow-tracker-protocol/
 * POST bodies validate against iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4, in which every value is
 * a string.
 */
const WIRE = {
  contentType: 'application/json; charset=utf-8',
  path: '/com.snowplowanalytics.snowplow/tp2',
  queryPath: '/i',
  opening: '{"schema":"iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4","data":[',
  separator: ',',
  closing: ']}',
} as const;

const OWNER = 'HttpEmitter';

/**
 * Snowplow's tracker protocol: every value becomes a string, pairs that are `undefined` or `null` are left out, and `stm`
 * is the time of each attempt.
 */
export function snowplow(): Codec {
  return SNOWPLOW;
}

/**
 * The same envelope for events that are in the tracker protocol already: a fresh `stm`, and nothing else is touched.
 */
export function passthrough(): Codec {
  return PASSTHROUGH;
}

const SNOWPLOW: Codec = Object.freeze({
  ...WIRE,
  snapshot: (event: EmitterEvent) => snapshotStrings(OWNER, event),
  encode: (event: EmitterEvent, sentAt: number) => stamped(allStrings(event), sentAt),
  query: (event: EmitterEvent, sentAt: number) => queryOf(allStrings(event), sentAt),
});

const PASSTHROUGH: Codec = Object.freeze({
  ...WIRE,
  snapshot: (event: EmitterEvent) => snapshotEvent(OWNER, event),
  encode: stamped,
  query: (event: EmitterEvent, sentAt: number) => queryOf(snapshotStrings(OWNER, event), sentAt),
});

/** A store that others fill may hold anything; what came through the emitter is strings already. */
function allStrings(event: EmitterEvent): EmitterEvent {
  for (const name in event) {
    if (typeof event[name] !== 'string') return snapshotStrings(OWNER, event);
  }
  return event;
}

/** The event as JSON, with the time of the attempt at its end. */
function stamped(event: EmitterEvent, sentAt: number): string {
  if ('stm' in event) return JSON.stringify({ ...event, stm: String(sentAt) });
  const json = JSON.stringify(event);
  return json === '{}' ? `{"stm":"${sentAt}"}` : `${json.slice(0, -1)},"stm":"${sentAt}"}`;
}

function queryOf(event: EmitterEvent, sentAt: number): string {
  const pairs = [`stm=${sentAt}`];
  for (const [name, value] of Object.entries(event)) {
    if (name !== 'stm') pairs.push(`${escaped(name)}=${escaped(value as string)}`);
  }
  return pairs.join('&');
}

/** Half a surrogate pair cannot be written in UTF-8. */
function escaped(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\u{fffd}'));
}
