import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BadLine, errorFrame, parseLine, refusalOf, SPOOL_ERRORS } from '../../src/socket/protocol.ts';
import { StoreDiskError, StoreFullError } from '../../src/store/index.ts';
import { thrownBy } from '../core/scene.ts';

/** The frame with its events alone, without the JSON that they came as. */
function parsed(line: string): unknown {
  const frame = parseLine(Buffer.from(line));
  return 'events' in frame ? { ...frame, events: frame.events.map(({ event }) => event) } : frame;
}

function reasonOf(line: string | Buffer): unknown {
  const thrown = thrownBy(() => parseLine(Buffer.from(line as string)));
  return thrown instanceof BadLine ? thrown.reason : thrown;
}

describe('a line', () => {
  test.each([
    ['{"e":"pv"}', { type: 'lines', events: [{ e: 'pv' }] }],
    ['[{"e":"pv"},{}]', { type: 'lines', events: [{ e: 'pv' }, {}] }],
    ['[]', { type: 'lines', events: [] }],
    [' \t{ "a" : 1 } ', { type: 'lines', events: [{ a: 1 }] }],
    ['{"$":"ping","id":[7]}', { type: 'ping', id: [7] }],
    ['{"$":"ping"}', { type: 'ping', id: undefined }],
    ['{"$":"events","seq":1,"events":[]}', { type: 'events', seq: 1, events: [] }],
    ['{"$":"events","seq":9007199254740991,"events":[{}]}', { type: 'events', seq: 2 ** 53 - 1, events: [{}] }],
    ['{"$":"hello","version":1,"client":"a"}', { type: 'hello', version: 1, client: 'a', token: undefined }],
    ['{"$":"hello","version":9,"client":"a","token":""}', { type: 'hello', version: 9, client: 'a', token: '' }],
  ])('%s is a frame', (line, frame) => {
    expect(parsed(line)).toEqual(frame);
  });

  test('may hold names that mean something to JavaScript, which stay names', () => {
    const line = '{"__proto__":{"$":"ping"},"toString":1,"constructor":null}';
    expect(JSON.stringify(parsed(line))).toBe(`{"type":"lines","events":[${line}]}`);
  });

  test.each([
    ['{"e":', 'bad_json'],
    ['GET / HTTP/1.1', 'bad_json'],
    ['undefined', 'bad_json'],
    ['{"e":NaN}', 'bad_json'],
    ['\u00a0', 'bad_json'],
    ['1', 'bad_frame'],
    ['"text"', 'bad_frame'],
    ['null', 'bad_frame'],
    ['true', 'bad_frame'],
    ['[1]', 'bad_frame'],
    ['[{},null]', 'bad_frame'],
    ['[{},[]]', 'bad_frame'],
    ['{"$":"pong"}', 'bad_frame'],
    ['{"$":null}', 'bad_frame'],
    ['{"$":"toString"}', 'bad_frame'],
    ['{"$":"spool"}', 'bad_frame'],
    ['{"$":"events","events":[]}', 'bad_frame'],
    ['{"$":"events","seq":0,"events":[]}', 'bad_frame'],
    ['{"$":"events","seq":1.5,"events":[]}', 'bad_frame'],
    ['{"$":"events","seq":"1","events":[]}', 'bad_frame'],
    ['{"$":"events","seq":9007199254740992,"events":[]}', 'bad_frame'],
    ['{"$":"events","seq":1,"events":{}}', 'bad_frame'],
    ['{"$":"events","seq":1,"events":[1]}', 'bad_frame'],
    ['{"$":"hello","client":"a"}', 'bad_frame'],
    ['{"$":"hello","version":0,"client":"a"}', 'bad_frame'],
    ['{"$":"hello","version":1,"client":""}', 'bad_frame'],
    ['{"$":"hello","version":1,"client":7}', 'bad_frame'],
    [`{"$":"hello","version":1,"client":"${'x'.repeat(201)}"}`, 'bad_frame'],
    ['{"$":"hello","version":1,"client":"a","token":7}', 'bad_frame'],
    ['{"e":1e999}', 'bad_frame'],
    ['[{"e":[-1e400]}]', 'bad_frame'],
    [`{"e":${'9'.repeat(400)}}`, 'bad_frame'],
    [`{"e":${'['.repeat(1_200)}${']'.repeat(1_200)}}`, 'bad_frame'],
  ])('%s is refused: %s', (line, reason) => {
    expect(reasonOf(line)).toBe(reason);
  });

  test.each([
    ['bad_utf8', 'a lone continuation', Buffer.from('{"a":"\x80"}', 'latin1')],
    ['bad_utf8', 'an overlong slash', Buffer.from('{"a":"\xc0\xaf"}', 'latin1')],
    ['bad_utf8', 'a surrogate', Buffer.from('{"a":"\xed\xa0\x80"}', 'latin1')],
    ['bad_utf8', 'half a character', Buffer.from('{"a":"\xe2\x82"}', 'latin1')],
    ['binary', 'a NUL', Buffer.from('{"a":"\0"}')],
    ['binary', 'a client hello of TLS', Buffer.from('16030100c8010000c40303', 'hex')],
    ['binary', 'a record of MessagePack', Buffer.from('82a1610001a16202', 'hex')],
  ])('is %s with %s', (reason, _, line) => {
    expect(reasonOf(line)).toBe(reason);
  });

  test('tells the number of a frame whose events are wrong', () => {
    expect(thrownBy(() => parseLine(Buffer.from('{"$":"events","seq":7,"events":[1]}')))).toMatchObject({ seq: 7 });
    const tooLarge = Buffer.from('{"$":"events","seq":7,"events":[{"n":1e999}]}');
    expect(thrownBy(() => parseLine(tooLarge))).toMatchObject({ seq: 7, reason: 'bad_frame' });
  });
});

describe('the errors', () => {
  test('are those of docs/PROTOCOL.md, each with what it says there', () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/PROTOCOL.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` \| .* \| (yes|no) \| (closes)? *\|$/gm)];
    const documented = rows.map(([, code, retryable, closes]) => [
      code as string,
      { retryable: retryable === 'yes', closes: closes !== undefined },
    ]);
    expect(Object.fromEntries(documented)).toEqual(SPOOL_ERRORS);
  });

  test('have a number only if the frame had one', () => {
    expect(errorFrame('gap', 'text', 7)).toEqual({ $: 'error', code: 'gap', message: 'text', retryable: true, seq: 7 });
    expect(errorFrame('binary', 'text')).toEqual({ $: 'error', code: 'binary', message: 'text', retryable: false });
  });

  test('say why something was not kept, and whether it is worth trying again', () => {
    expect(refusalOf(new StoreFullError('x'))).toMatchObject({ code: 'full', retryable: true });
    expect(refusalOf(new StoreDiskError('x'))).toMatchObject({ code: 'disk', retryable: true });
    expect(refusalOf(new Error('x'))).toMatchObject({ code: 'disk', retryable: true });
  });
});
