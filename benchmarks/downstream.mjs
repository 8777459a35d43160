/**
 * Something that is called and bears so many calls at a time: within its capacity a call takes its base time, beyond it
 * as much longer as the power of the overload says. With a steepness of 1 its throughput stays the same beyond the knee, above
 * that it falls. It knows no clock: it says how long a call takes.
 */
export class Downstream {
  /** Calls under way. */
  inFlight = 0;
  #random;

  /** @param {{ capacity?: number, base?: number, jitter?: number, steepness?: number, seed?: number }} [options] - times in milliseconds; jitter is the part by which a call may take more or less */
  constructor({ capacity = 20, base = 20, jitter = 0.2, steepness = 3, seed = 1 } = {}) {
    this.capacity = capacity;
    this.base = base;
    this.jitter = jitter;
    this.steepness = steepness;
    this.#random = randomOf(seed);
  }

  /** A call begins. Returns how many milliseconds it takes; {@link Downstream.end} is to be called after that. */
  begin() {
    this.inFlight++;
    const overload = Math.max(1, this.inFlight / this.capacity) ** this.steepness;
    return this.base * (1 + this.jitter * (2 * this.#random() - 1)) * overload;
  }

  end() {
    this.inFlight--;
  }
}

/**
 * Numbers from 0 up to 1, the same for the same seed (xorshift).
 * @param {number} seed
 */
export function randomOf(seed) {
  let state = (seed * 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * The value below which so great a part of these lies.
 * @param {number[]} values
 * @param {number} part
 */
export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
