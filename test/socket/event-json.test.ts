import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLine } from '../../src/socket/protocol.ts';

const runs = { numRuns: Number(process.env.FC_RUNS) };

/** A line, and the JSON of its events as the parser found it. */
function jsonIn(line: string): string[] {
  const frame = parseLine(Buffer.from(line));
  if (!('events' in frame)) throw new Error(`${line} has no events`);
  return frame.events.map(({ json }) => Buffer.from(json).toString());
}

const events = fc.array(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), { maxLength: 5 });
/** As people and other programs write it. */
const spacing = fc.constantFrom(undefined, 1, '\t');

function written(value: unknown, space: number | string | undefined): string {
  return JSON.stringify(value, undefined, space).replaceAll('\n', ' ');
}

describe('the JSON of an event', () => {
  test('says what the event is, however the line is written', () => {
    fc.assert(
      fc.property(events, spacing, fc.boolean(), (all, space, isNumbered) => {
        // A member named $ would make it a frame.
        const given = all.map(({ $: _, ...event }) => event);
        const line = isNumbered ? { $: 'events', seq: 1, events: given } : given;
        expect(jsonIn(written(line, space)).map((json) => JSON.parse(json))).toEqual(
          JSON.parse(JSON.stringify(given)) as unknown,
        );
      }),
      runs,
    );
  });

  test('of an event alone in its line does so, too', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        spacing,
        ({ $: _, ...event }, space) => {
          const [json, ...others] = jsonIn(` ${written(event, space)} `);
          expect(JSON.parse(json as string)).toEqual(JSON.parse(JSON.stringify(event)));
          expect(others).toEqual([]);
        },
      ),
      runs,
    );
  });

  test('is kept as it came', () => {
    const [first, second] = ['{"n":12345678901234567890, "t":"\\u20ac, ]}","o":{"a":[1,{}]}}', '{}'] as const;
    expect(jsonIn(first)).toEqual([first]);
    expect(jsonIn(`[${first},${second}]`)).toEqual([first, second]);
    expect(jsonIn(`{"$":"events","seq":12,"events":[${first},${second}]}`)).toEqual([first, second]);
  });

  test('is written anew where the line is not as the emitter writes it', () => {
    const anew = '{"n":12345678901234567000}';
    for (const line of [
      '{"$":"events", "seq":1,"events":[{"n":12345678901234567890}]}',
      '{"seq":1,"$":"events","events":[{"n":12345678901234567890}]}',
      '{"$":"events","seq":1,"events":[{"n":12345678901234567890}],"more":[{}]}',
      '{"$":"events","seq":1,"events":[{"n":1}],"events":[{"n":12345678901234567890}]}',
      ' [{"n":12345678901234567890}]',
      '[{"n":12345678901234567890}] ',
    ]) {
      expect(jsonIn(line)).toEqual([anew]);
    }
  });

  test('is written anew where it has numbers that need a closer look', () => {
    expect(jsonIn('{"n":1E2,"m":-0.5e-3}')).toEqual(['{"n":100,"m":-0.0005}']);
    expect(jsonIn(`{"n":0.${'1'.repeat(400)}}`)).toEqual(['{"n":0.1111111111111111}']);
    expect(jsonIn(`{"n":${'['.repeat(500)}${']'.repeat(500)}}`)).toEqual([
      `{"n":${'['.repeat(500)}${']'.repeat(500)}}`,
    ]);
  });
});
