import { createReadStream, type ReadStream, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream';
import streamArray from 'stream-json/streamers/stream-array.js';

/** The data has no export of its own, so it is found from the package's entry point, which stands beside it. */
const PACKAGE_ENTRY = createRequire(import.meta.url).resolve('vega-datasets');

/** 200,000 arrivals as one JSON array on one line of 10 MB, in order of departure. */
export const FLIGHTS_FILE: string = resolve(dirname(PACKAGE_ENTRY), '../data/flights-200k.json');

/** Mixed in, one after another, so that a run shows what becomes of records that are no flights. */
export const BAD_RECORDS: readonly unknown[] = [
  { delay: 25, distance: 500, time: 24.5 },
  { delay: 25, distance: 500 },
  { delay: 'late', distance: 500, time: 12 },
  null,
  { delay: 200, distance: -1, time: 9.5 },
];

/** One bad record comes after so many flights. */
export const BAD_RECORD_EVERY = 4_000;

/** Streams the flights: no more than a few of them are in memory, however slowly they are taken. */
export class FlightSource {
  /** Flights that were read, the bad records not counted. */
  flights = 0;
  readonly #limit: number;
  readonly #size: number = statSync(FLIGHTS_FILE).size;
  #file: ReadStream | undefined;

  /** @param limit - how many flights to read at most */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The part that is read, 0 to 1: of the limit, or else of the file. */
  get fraction(): number {
    return Math.max(this.flights / this.#limit, (this.#file?.bytesRead ?? 0) / this.#size);
  }

  /** Can be iterated once; leaving the loop closes the file. */
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    // Without the tokens of single characters and digits the parser takes half the time. What goes wrong in the file
    // destroys the parser, so it comes up in the loop; the callback has nothing to add.
    const parser = streamArray.withParserAsStream({ streamValues: false });
    this.#file = createReadStream(FLIGHTS_FILE);
    const items: AsyncIterable<{ value: unknown }> = pipeline(this.#file, parser, () => undefined);
    for await (const { value } of items) {
      this.flights++;
      yield value;
      if (this.flights % BAD_RECORD_EVERY === 0) {
        yield BAD_RECORDS[(this.flights / BAD_RECORD_EVERY - 1) % BAD_RECORDS.length];
      }
      if (this.flights >= this.#limit) return;
    }
  }
}
