import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineSplitter } from '../../src/socket/line-splitter.ts';

/** What a splitter makes of pieces; `undefined` at the end for a line that is too long. */
function split(pieces: readonly (string | Buffer)[], longest = 100): (string | undefined)[] {
  const splitter = new LineSplitter(longest);
  const lines: (string | undefined)[] = [];
  for (const piece of pieces) {
    const bytes = Buffer.from(piece as string);
    // Its memory may be used again as soon as the call is over.
    const isWhole = splitter.push(bytes, (line) => lines.push(line.toString()));
    bytes.fill(0x78);
    if (!isWhole) return [...lines, undefined];
  }
  return lines;
}

describe('the splitter', () => {
  test('cuts at line feeds, and leaves out a carriage return before them, and empty lines', () => {
    expect(split(['a\nb\r\n\n\r\nc\rd\n', '\n', 'e'])).toEqual(['a', 'b', 'c\rd']);
  });

  test('brings the same lines wherever they are cut', () => {
    const bytes = Buffer.from('{"a":1}\r\n\n[{"ü":"€"}]\n{"last":"😀"}\r\n');
    const whole = split([bytes]);
    expect(whole).toEqual(['{"a":1}', '[{"ü":"€"}]', '{"last":"😀"}']);
    for (let at = 0; at <= bytes.length; at++)
      expect(split([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    expect(split([...bytes].map((byte) => Buffer.of(byte)))).toEqual(whole);
  });

  test('brings the same lines in pieces of any sizes', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'ü', '\r', ' ', '😀'), maxLength: 20 });
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat({ max: 30 })), (lines, sizes) => {
        const bytes = Buffer.from(lines.map((one) => `${one}\n`).join(''));
        const pieces: Buffer[] = [];
        let from = 0;
        for (const size of sizes) {
          pieces.push(bytes.subarray(from, from + size));
          from += size;
        }
        const expected = lines.map((one) => (one.endsWith('\r') ? one.slice(0, -1) : one)).filter((one) => one !== '');
        expect(split([...pieces, bytes.subarray(from)], 200)).toEqual(expected);
      }),
      { numRuns: Number(process.env.FC_RUNS) },
    );
  });

  test.each(['\n', '\r\n'])('takes a line of exactly the limit, and none that is longer, ended by %j', (end) => {
    const [longest, tooLong] = ['x'.repeat(10), 'x'.repeat(11)];
    for (const pieces of [(text: string) => [text], (text: string) => [...text]]) {
      expect(split(pieces(longest + end), 10)).toEqual([longest]);
      expect(split(pieces(`a${end}${tooLong}${end}`), 10)).toEqual(['a', undefined]);
    }
  });

  test('does not wait for the end of a line that is too long already', () => {
    expect(split(['x'.repeat(11)], 10)).toEqual([]);
    expect(split(['x'.repeat(12)], 10)).toEqual([undefined]);
  });

  test('tells how much of a line has begun', () => {
    const splitter = new LineSplitter(100);
    const begun = (text: string): [number, string] => {
      splitter.push(Buffer.from(text), () => undefined);
      return [splitter.begun, splitter.beginning.toString()];
    };
    expect(begun('ab')).toEqual([2, 'ab']);
    expect(begun('c')).toEqual([3, 'abc']);
    expect(begun('d\nef')).toEqual([2, 'ef']);
    expect(begun('\n')).toEqual([0, '']);
  });
});
