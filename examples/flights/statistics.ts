import { type Flight, type Lateness, latenessOf } from './flight.ts';

/** The bands of the delay histogram: early is below 0 minutes, on time below 15. */
export type Band = 'early' | 'on time' | Lateness;

/** The flights that departed within one hour of the day. */
export interface HourOfDelays {
  readonly flights: number;
  readonly bands: Readonly<Record<Band, number>>;
  /** The sum of their delays, in minutes. */
  readonly minutes: number;
}

/** Counts delays per hour of departure. It is of one size, whatever it counts. */
export class DelayHistogram {
  readonly #hours = Array.from({ length: 24 }, () => {
    return { flights: 0, bands: { early: 0, 'on time': 0, moderate: 0, major: 0, extreme: 0 }, minutes: 0 };
  });

  add({ time, delay }: Flight): void {
    const hour = this.#hours[Math.floor(time)];
    if (hour === undefined) throw new RangeError(`time must be at least 0 and below 24, but it is ${time}`);
    hour.flights++;
    hour.bands[latenessOf(delay) ?? (delay < 0 ? 'early' : 'on time')]++;
    hour.minutes += delay;
  }

  /** One entry for each hour of the day, as of now. */
  report(): readonly HourOfDelays[] {
    return structuredClone(this.#hours);
  }
}
