import { type EmitterEvent, snapshotEvent } from '../emitter/index.ts';
import type { WrittenEvent } from '../store/index.ts';

/*
 * The JSON of each event, as it stands in a line: so it need not be written again to be kept. The line has been parsed
 * when it is looked at here, so that it is known to be JSON.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_E = 0x45;
const LOWER_E = 0x65;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACKET = 0x5d;
const CLOSING_BRACE = 0x7d;

/** How a frame with events begins, as long as nobody has reasons to write it otherwise. */
const FRAME = /^\{"\$":"events","seq":\d+,"events":\[/;
const LONGEST_BEGINNING = 64;

/** A number of fewer digits, and without an exponent, is read as a number that can be written again. */
const MOST_DIGITS = 300;
const MOST_LEVELS = 100;

/** How many bytes stand behind the events. */
const REST: Readonly<Record<LineKind, number>> = { event: 0, array: 1, frame: 2 };

/** What a line is: one event, an array of them, or a frame with such an array. */
export type LineKind = 'event' | 'array' | 'frame';

/**
 * @param events - those that the line was parsed to
 * @throws {@link InvalidArgumentError} for an event that JSON says and cannot say again: a number that is too large, or
 * nested too deeply.
 */
export function writtenEvents(line: Buffer, kind: LineKind, events: readonly EmitterEvent[]): WrittenEvent[] {
  let from = beginOf(line, kind);
  const ends = endsOf(line, kind, from);
  if (ends?.length !== events.length) return events.map(writtenAnew);
  return events.map((event, at) => {
    const json = line.subarray(from, ends[at]);
    from = (ends[at] as number) + 1;
    return { event, json };
  });
}

function writtenAnew(event: EmitterEvent): WrittenEvent {
  const snapshot = snapshotEvent('the line', event);
  return { event: snapshot, json: Buffer.from(JSON.stringify(snapshot)) };
}

/** Where the first event stands; -1 if that is not plain to see. */
function beginOf(line: Buffer, kind: LineKind): number {
  if (kind === 'event') return 0;
  if (kind === 'array') return line[0] === OPENING_BRACKET ? 1 : -1;
  return FRAME.exec(line.toString('latin1', 0, LONGEST_BEGINNING))?.[0].length ?? -1;
}

/**
 * Where each event ends; undefined if that is not plain to see, or if there is something in them that should be looked at
 * more closely.
 */
function endsOf(line: Buffer, kind: LineKind, begin: number): number[] | undefined {
  if (begin === -1) return undefined;
  const ends: number[] = [];
  const length = line.length;
  let depth = 0;
  let at = begin;
  for (; at < length; at++) {
    const byte = line[at] as number;
    if (byte === QUOTE) {
      at = endOfString(line, at);
    } else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) {
      if (++depth > MOST_LEVELS) return undefined;
    } else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) {
      if (--depth < 0) break;
    } else if (byte === COMMA) {
      if (depth === 0) ends.push(at);
    } else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      at = endOfNumber(line, at);
      if (at === -1) return undefined;
    }
  }
  ends.push(at);
  // Behind the array there may be the end of the frame, and no more.
  return length - at === REST[kind] ? ends : undefined;
}

/** Where the closing quote is. */
function endOfString(line: Buffer, begin: number): number {
  let at = begin + 1;
  for (let byte = line[at]; byte !== QUOTE && byte !== undefined; byte = line[at]) at += byte === BACKSLASH ? 2 : 1;
  return at;
}

/** Where its last digit is; -1 if it may be no number that can be written again. */
function endOfNumber(line: Buffer, begin: number): number {
  let at = begin;
  for (;;) {
    const next = line[at + 1] as number;
    if (next === UPPER_E || next === LOWER_E || at - begin > MOST_DIGITS) return -1;
    if ((next < ZERO || next > NINE) && next !== 0x2e) return at;
    at++;
  }
}
