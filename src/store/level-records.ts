import { crc32 } from 'node:zlib';
import type { EmitterEvent } from '../emitter/index.ts';
import type { NumberedEvent } from './flight.ts';
import type { LevelOperation, LevelRecord } from './level-database.ts';

/*
 * How an event stands in the database.
 *
 *   key     'e' │ number, 8 bytes │ length of the JSON, 4 bytes       big-endian, so that keys sort by age
 *   value   CRC-32, 4 bytes │ format, 1 byte │ when it was added, 6 bytes │ the event as JSON
 *           the CRC is of the key and of what follows it
 *   marks   'm' │ name → CRC-32, 4 bytes │ format, 1 byte │ text
 *
 * With the length in the key, the keys alone tell how many events there are, and how many bytes. What does not decode is
 * put aside under 'q' and the rest of its key.
 */

const EVENTS = 0x65;
const QUARANTINE = 0x71;
const MARKS = 0x6d;
const FORMAT = 1;

const NUMBER_AT = 1;
const LENGTH_AT = 9;
const KEY_LENGTH = 13;

const FORMAT_AT = 4;
const TEXT_AT = 5;
const TIME_AT = 5;
const JSON_AT = 11;

/** The latest time that there is room for: the year 10889. */
const LATEST = 2 ** 48 - 1;

/** Far above what can be reached by counting, far below where numbers end: a damaged key cannot use them up. */
const HIGHEST_ID = 2 ** 48;

/** Between two keys, neither of them included. */
export interface KeyRange {
  readonly after: Uint8Array;
  readonly before: Uint8Array;
}

export const ALL_EVENTS: KeyRange = { after: Buffer.of(EVENTS), before: Buffer.of(EVENTS + 1) };
export const ALL_MARKS: KeyRange = { after: Buffer.of(MARKS), before: Buffer.of(MARKS + 1) };
export const ALL_QUARANTINED: KeyRange = { after: Buffer.of(QUARANTINE), before: Buffer.of(QUARANTINE + 1) };

/** What stands before the first event that is younger than this one. */
export function afterEvent(id: number): Uint8Array {
  return eventKey({ id: id + 1, bytes: 0 }).subarray(0, LENGTH_AT);
}

/** What stands behind the last event that is older than this one. */
export function beforeEvent(id: number): Uint8Array {
  return afterEvent(id - 1);
}

export function eventKey({ id, bytes }: Pick<NumberedEvent, 'id' | 'bytes'>): Buffer {
  const key = Buffer.alloc(KEY_LENGTH);
  key[0] = EVENTS;
  key.writeBigUInt64BE(BigInt(id), NUMBER_AT);
  key.writeUInt32BE(bytes, LENGTH_AT);
  return key;
}

/** The number and size of an event; undefined for a key that is none. */
export function readKey(key: Uint8Array): { readonly id: number; readonly bytes: number } | undefined {
  if (key.length !== KEY_LENGTH || key[0] !== EVENTS) return undefined;
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const id = view.getUint32(NUMBER_AT) * 2 ** 32 + view.getUint32(NUMBER_AT + 4);
  return id <= HIGHEST_ID ? { id, bytes: view.getUint32(LENGTH_AT) } : undefined;
}

/** An event that is ready to be written, but for its number. */
export interface EventRecord {
  readonly event: EmitterEvent;
  /** Of its JSON. */
  readonly bytes: number;
  readonly value: Buffer;
}

/** An event, and the JSON that says it, in UTF-8. */
export interface WrittenEvent {
  readonly event: EmitterEvent;
  readonly json: Uint8Array;
}

/**
 * @param event - made of what JSON can carry
 * @param at - when it was added, in milliseconds since the Unix epoch
 */
export function encodeEvent(event: EmitterEvent, at: number): EventRecord {
  const json = JSON.stringify(event);
  const record = emptyRecord(event, Buffer.byteLength(json), at);
  record.value.write(json, JSON_AT);
  return record;
}

/** The same where the JSON is there already. */
export function encodeWritten({ event, json }: WrittenEvent, at: number): EventRecord {
  const record = emptyRecord(event, json.length, at);
  record.value.set(json, JSON_AT);
  return record;
}

function emptyRecord(event: EmitterEvent, bytes: number, at: number): EventRecord {
  const value = Buffer.allocUnsafe(JSON_AT + bytes);
  value[FORMAT_AT] = FORMAT;
  value.writeUIntBE(Math.min(Math.max(0, Math.trunc(at)), LATEST), TIME_AT, 6);
  return { event, bytes, value };
}

/** Writes the checksum into the value: now the key is known. */
export function seal(value: Buffer, key: Uint8Array): void {
  value.writeUInt32BE(checksum(key, value), 0);
}

/** Undefined for what was not written so, or is no longer as it was written. */
export function decodeEvent(key: Uint8Array, value: Buffer): NumberedEvent | undefined {
  const header = readKey(key);
  if (header === undefined || value.length !== JSON_AT + header.bytes) return undefined;
  if (value.readUInt32BE(0) !== checksum(key, value) || value[FORMAT_AT] !== FORMAT) return undefined;
  const event = parse(value.toString('utf8', JSON_AT));
  return event === undefined ? undefined : { ...header, event };
}

/** When an event that decodes was added, in milliseconds since the Unix epoch. */
export function timeOf(value: Buffer): number {
  return value.readUIntBE(TIME_AT, 6);
}

/** Texts by name, which are written along with events; `undefined` removes one. */
export type StoreMarks = Readonly<Record<string, string | undefined>>;

/** A mark as a record; deleted if there is no text. */
export function markOperation(name: string, text: string | undefined): LevelOperation {
  const key = Buffer.concat([ALL_MARKS.after, Buffer.from(name)]);
  if (text === undefined) return { type: 'del', key };
  const value = Buffer.allocUnsafe(TEXT_AT + Buffer.byteLength(text));
  value[FORMAT_AT] = FORMAT;
  value.write(text, TEXT_AT);
  seal(value, key);
  return { type: 'put', key, value };
}

export function markOperations(marks: StoreMarks): LevelOperation[] {
  return Object.entries(marks).map(([name, text]) => markOperation(name, text));
}

/** Writes an event under its number. */
export function put({ id, bytes, value }: EventRecord & { readonly id: number }): LevelOperation {
  const key = eventKey({ id, bytes });
  seal(value, key);
  return { type: 'put', key, value };
}

export function deletion(event: Pick<NumberedEvent, 'id' | 'bytes'>): LevelOperation {
  return { type: 'del', key: eventKey(event) };
}

/** Undefined for what was not written so. */
export function decodeMark({ key, value }: LevelRecord): [name: string, text: string] | undefined {
  if (value.length < TEXT_AT || value.readUInt32BE(0) !== checksum(key, value)) return undefined;
  return [Buffer.from(key.subarray(1)).toString('utf8'), value.toString('utf8', TEXT_AT)];
}

/** The key under which an undecodable record is put aside. */
export function quarantineKey(key: Uint8Array): Uint8Array {
  const moved = Uint8Array.from(key);
  moved[0] = QUARANTINE;
  return moved;
}

function checksum(key: Uint8Array, value: Buffer): number {
  return crc32(value.subarray(FORMAT_AT), crc32(key));
}

function parse(json: string): EmitterEvent | undefined {
  try {
    const event: unknown = JSON.parse(json);
    return typeof event === 'object' && event !== null && !Array.isArray(event) ? (event as EmitterEvent) : undefined;
  } catch {
    return undefined;
  }
}
