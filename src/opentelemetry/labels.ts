import { OTHER } from './conventions.ts';

/** The longest label that is let through, in characters. */
const LONGEST = 200;

/** Lets through so many different labels, those that come first; each has a time series of its own. */
export class BoundedLabels {
  readonly #max: number;
  readonly #known: Set<string> = new Set();

  constructor(max: number) {
    this.#max = max;
  }

  of(label: string): string {
    if (this.#known.has(label)) return label;
    if (label === OTHER || label.length > LONGEST || this.#known.size >= this.#max) return OTHER;
    this.#known.add(label);
    return label;
  }
}
