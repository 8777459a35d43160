/** What the level moves between. */
export interface LevelRange {
  readonly minConsumers: number;
  readonly maxConsumers: number;
}

/** One call of a processor that has ended, and how busy the pool was then. Times are milliseconds. */
export interface ServiceSample {
  /** Calls of one kind should take alike: the collector. Each kind has a base latency of its own. */
  readonly kind: object;
  readonly startedAt: number;
  readonly endedAt: number;
  /** It failed, or exceeded its time limit: it counts as an error, and its time does not count. */
  readonly failed: boolean;
  /** Consumers that were busy, with the one whose call has ended. */
  readonly busy: number;
  /** Payloads that waited for a consumer. */
  readonly waiting: number;
}

/** The level is raised at most so often; what is not certain after the longer time is decided as it stands (milliseconds). */
const SHORTEST_WINDOW = 100;
const USUAL_WINDOW = 1_000;
/**
 * A mean counts as below or above the threshold when it is so many standard errors away from it. It is looked at again and
 * again, so sooner or later chance would take it above: that must be surer.
 */
const SURELY_BELOW = 2;
const SURELY_ABOVE = 4;
const LATE_CERTAINTY = 1;
/** The usual variance weighs as much as that of so many calls, against that of a window: few calls may happen to be alike. */
const SPREAD_SAMPLES = 100;
/** How much of a lower latency goes into the base at once. */
const DOWNWARDS = 0.3;
/** After a move, calls are not counted for so many times the mean latency: they began at another level. */
const SETTLING = 1.5;
/** A window sees each consumer once, on average, and at least and at most so many calls. */
const FEWEST_SAMPLES = 8;
const FEWEST_LATE = 4;
const ENOUGH_SAMPLES = 200;
/** A base is as certain as the mean of the calls that it was made of, of the last ones. */
const BASE_SAMPLES = 200;

/** Calls that take longer than their base by more than this show a queue in the downstream (logarithm: 8 %). */
const QUEUEING = 0.08;
/** An overload of less that comes unexpected is believed if the next window has one, too (logarithm: 2 times). */
const DISTURBANCE = Math.LN2;
/** What a growth by one percent may cost, in percent of latency, before something else must have changed, too. */
const STEEPEST = 4;
/** After an overload the level falls at least to this part for one window, in which the base latency is seen again. */
const TROUGH = 0.85;
const DEEPEST_CUT = 0.5;
/** A cut has helped if latency fell by this part of what it falls by in a queue, which is as much as the level. */
const HELPED = 0.4;
/** How many cuts in a row have to be without help. */
const CUTS = 2;
/** Fewer errors than this part do not move the level: some calls fail for reasons of their own. */
const TOLERATED_ERRORS = 0.1;
/** Growth of a window, at least 1; after some of them in a row it doubles each time, up to the most. */
const STEP = 0.05;
const MOST_STEP = 0.5;
const SMALL_STEPS = 3;
/** Windows at the level that was found, before the next is tried. */
const REST = 10;
/** A millisecond's part that is told from nothing; and a time beyond which it makes no difference. */
const SHORTEST_LATENCY = 1e-3;
const LONGEST_LATENCY = 1e9;

/** What is known of calls of one kind: the logarithm of their latency without a queue, and of those in this window. */
interface Kind {
  base: number | undefined;
  /** How many calls the base was made of. */
  weight: number;
  count: number;
  sum: number;
  squares: number;
}

/** An overload was found at a level, with so much latency above the base. */
interface Overload {
  readonly level: number;
  readonly excess: number;
  cuts: number;
}

/**
 * Finds how many calls at a time the downstream bears, by their latency and errors alone.
 *
 * Time is cut into windows, which last until it is clear what they show: 100 ms to 1 s, or longer if calls do. Calls that began
 * at another level are left out, as far as can be. A window is overloaded if its calls took more than 8 % longer than
 * without a queue, their base. As long as payloads wait, a window without overload is followed by a higher level: doubled
 * until the first overload, then in steps of 5 %, which grow if several go well. When a step was one too many, the level falls for
 * a window below where it was before, and the base is measured again; then it comes back, and stays for ten windows before
 * the next step is tried.
 *
 *     level   ·   ┌┐           ┌┐            ·  the edge
 *             ┌┐┌─┘│ ┌─────────┘│ ┌──────
 *           ┌─┘└┘  └─┘          └─┘
 *
 * An overload that the last step cannot explain, because the downstream has changed, lets the level fall in proportion,
 * up to a half; if calls take less than twice as long, only if the next window shows it too. If two cuts do not let the latency fall, it is no queue of ours: the present latency is the new base, and
 * the level comes back. So it is at the minimum, where nothing can be cut. When over a tenth of the calls fail, the level
 * falls by half of that part, window by window.
 *
 * Latency is compared by the mean of its logarithm: it is a ratio that matters, and a few slow calls must not count as
 * much as all others.
 *
 * Comparing latency with its lowest to find a queue: Brakmo, L. S., Peterson, L. L. (1995), "TCP Vegas: End to End
 * Congestion Avoidance on a Global Internet", https://doi.org/10.1109/49.464716. As limit for calls of services, with the
 * cut in proportion up to a half: Netflix concurrency-limits, Vegas and Gradient2,
 * https://github.com/Netflix/concurrency-limits. The pause at the level found, and steps that grow after it: CUBIC,
 * https://www.rfc-editor.org/rfc/rfc9438. The fall by half of the part of errors: DCTCP,
 * https://www.rfc-editor.org/rfc/rfc8257. That the base is measured again at a lower level: BBR,
 * https://queue.acm.org/detail.cfm?id=3022184.
 */
export class AdaptiveLevel {
  readonly #range: LevelRange;
  readonly #kinds: WeakMap<object, Kind> = new WeakMap();
  /** The kinds of this window. */
  #seen: Kind[] = [];
  /** Calls count that end from then on; after the level fell, of those that began from then on. */
  #windowStart = Number.NEGATIVE_INFINITY;
  #startsFrom = Number.NEGATIVE_INFINITY;
  /** More run than the level allows, as it fell: the window begins when they are no more. */
  #lowered = false;
  /** How long it takes after a move until most calls are those of the new level. */
  #settling = 0;
  #time = 0;
  #calls = 0;
  #errors = 0;
  #busy = 0;
  #waiting = 0;
  /** The usual variance of logarithms of latencies within a window. */
  #spread = 0;
  #variance = 0;
  /** The window before was overloaded for no reason of ours; it may have been a moment's disturbance. */
  #doubted = false;
  #level: number;
  /** The level from which the last step was taken; undefined if the level did not just grow. */
  #from: number | undefined;
  /** The level to come back to from a trough. */
  #home: number | undefined;
  /** The base is to be measured again: the level was just lowered. */
  #trough = false;
  #overload: Overload | undefined;
  #everOverloaded = false;
  #goodSteps = 0;
  #rest = 0;

  constructor(range: LevelRange) {
    this.#range = range;
    this.#level = range.minConsumers;
  }

  /** How many calls there may be at a time: a whole number, `minConsumers` … `maxConsumers`. */
  get value(): number {
    return this.#level;
  }

  /** Takes a call into account. True if the level may have moved. */
  sample(sample: ServiceSample): boolean {
    const { startedAt, endedAt } = sample;
    if (this.#lowered) this.#beginLowered(sample);
    if (!(endedAt >= this.#windowStart && startedAt >= this.#startsFrom)) return false;
    if (this.#windowStart === Number.NEGATIVE_INFINITY) this.#windowStart = endedAt;
    this.#calls++;
    this.#busy += sample.busy;
    if (sample.waiting > 0) this.#waiting++;
    if (sample.failed) this.#errors++;
    else this.#note(sample.kind, within(SHORTEST_LATENCY, endedAt - startedAt, LONGEST_LATENCY));
    const elapsed = endedAt - this.#windowStart;
    if (this.#calls < this.#samplesNeeded(elapsed)) return false;
    const { excess, variance, uncertainty } = this.#measure();
    if (elapsed < USUAL_WINDOW) {
      const above = excess - QUEUEING;
      const sure = above < 0 ? SURELY_BELOW * uncertainty <= -above : SURELY_ABOVE * uncertainty < above;
      if (!sure || (above < 0 && elapsed < SHORTEST_WINDOW)) return false;
    }
    this.#variance = variance;
    const before = this.#level;
    this.#decide(excess, uncertainty);
    this.#nextWindow(endedAt, this.#level !== before);
    return true;
  }

  /** The level fell: its window begins once no more run than that, and those have gone through that began among more. */
  #beginLowered({ busy, endedAt }: ServiceSample): void {
    this.#windowStart = Number.POSITIVE_INFINITY;
    if (busy > this.#level) return;
    this.#lowered = false;
    this.#startsFrom = endedAt;
    this.#windowStart = endedAt + this.#settling;
  }

  #samplesNeeded(elapsed: number): number {
    return within(elapsed < USUAL_WINDOW ? FEWEST_SAMPLES : FEWEST_LATE, this.value, ENOUGH_SAMPLES);
  }

  #note(kind: object, time: number): void {
    const latency = Math.log(time);
    this.#time += time;
    let known = this.#kinds.get(kind);
    if (known === undefined) {
      known = { base: undefined, weight: 0, count: 0, sum: 0, squares: 0 };
      this.#kinds.set(kind, known);
    }
    if (known.count === 0) this.#seen.push(known);
    known.count++;
    known.sum += latency;
    known.squares += latency * latency;
  }

  /** How far the calls of this window are above their bases, on average; a kind that is new has no base, and is at it. */
  #measure(): { excess: number; variance: number; uncertainty: number } {
    let [count, excess, variance, weight] = [0, 0, 0, 0];
    for (const kind of this.#seen) {
      const { base, count: n, sum, squares } = kind;
      count += n;
      weight += base === undefined ? n : kind.weight;
      if (base !== undefined) excess += sum - n * base;
      variance += Math.max(0, squares - (sum * sum) / n);
    }
    if (count === 0) return { excess: 0, variance: this.#spread, uncertainty: 0 };
    variance /= Math.max(1, count - this.#seen.length);
    const spread = Math.max(variance, this.#spread);
    return { excess: excess / count, variance, uncertainty: Math.sqrt(spread * (1 / count + 1 / weight)) };
  }

  #nextWindow(now: number, moved: boolean): void {
    this.#startsFrom = Number.NEGATIVE_INFINITY;
    this.#windowStart = moved ? now + this.#settling : now;
    this.#time = 0;
    for (const kind of this.#seen) {
      if (kind.base === undefined) kind.weight = kind.count;
      kind.base ??= kind.sum / kind.count;
      kind.count = 0;
      kind.sum = 0;
      kind.squares = 0;
    }
    this.#seen = [];
    this.#calls = 0;
    this.#errors = 0;
    this.#busy = 0;
    this.#waiting = 0;
  }

  #decide(excess: number, uncertainty: number): void {
    const failed = this.#errors / this.#calls;
    if (failed > TOLERATED_ERRORS) this.#fail(failed);
    else if (this.#level === this.#range.minConsumers) this.#good(excess, uncertainty, 1);
    else if (excess - LATE_CERTAINTY * uncertainty <= QUEUEING) this.#good(excess, uncertainty, 0);
    else if (this.#busy / this.#calls >= this.#level * DEEPEST_CUT) this.#overloaded(excess, uncertainty);
  }

  #fail(part: number): void {
    this.#moveTo(this.#level * (1 - part / 2));
    this.#everOverloaded = true;
    this.#overload = undefined;
    this.#home = undefined;
    this.#trough = false;
  }

  /** @param upwards - how much of a higher latency goes into the base */
  #good(excess: number, uncertainty: number, upwards: number): void {
    this.#rebase(excess, uncertainty, upwards);
    this.#spread += ((this.#variance - this.#spread) * this.#calls) / (this.#calls + SPREAD_SAMPLES);
    this.#doubted = false;
    this.#settling = (SETTLING * this.#time) / Math.max(1, this.#calls - this.#errors);
    this.#overload = undefined;
    this.#trough = false;
    this.#from = undefined;
    if (this.#home !== undefined) {
      this.#moveTo(this.#home);
      this.#home = undefined;
    } else if (this.#rest > 0) {
      this.#rest--;
    } else if (this.#waiting >= this.#calls / 2) this.#grow();
  }

  #grow(): void {
    const from = this.#level;
    const doublings = Math.max(0, this.#goodSteps - SMALL_STEPS + 1);
    const part = this.#everOverloaded ? Math.min(MOST_STEP, STEP * 2 ** doublings) : 1;
    this.#goodSteps++;
    this.#level = Math.min(this.#range.maxConsumers, from + stepOf(from, part));
    this.#from = from;
  }

  #overloaded(excess: number, uncertainty: number): void {
    const from = this.#from;
    const before = this.#overload;
    this.#everOverloaded = true;
    if (from !== undefined && excess <= QUEUEING + STEEPEST * Math.log(this.#level / from)) this.#stepBack(from);
    else if (before !== undefined && before.cuts >= CUTS && !this.#helped(before, excess)) {
      this.#home = before.level;
      this.#good(excess, uncertainty, 1);
    } else if (before === undefined && !this.#doubted && excess < DISTURBANCE) {
      this.#doubted = true;
      this.#from = undefined;
    } else {
      this.#overload = before ?? { level: this.#level, excess, cuts: 0 };
      this.#overload.cuts++;
      this.#home = undefined;
      this.#rest = 0;
      this.#moveTo(this.#level * within(DEEPEST_CUT, Math.exp(-excess), TROUGH));
      this.#trough = true;
    }
  }

  #helped({ level, excess }: Overload, now: number): boolean {
    return excess - now >= HELPED * Math.log(level / this.#level);
  }

  /** The last step was one too many. */
  #stepBack(from: number): void {
    const wasSmall = this.#level - from <= stepOf(from, STEP);
    this.#moveTo(from * TROUGH);
    this.#home = from;
    this.#rest = wasSmall ? REST : 0;
    this.#trough = true;
  }

  #moveTo(level: number): void {
    const to = within(this.#range.minConsumers, Math.floor(level), this.#range.maxConsumers);
    if (to < this.#level) this.#lowered = true;
    this.#level = to;
    this.#from = undefined;
    this.#goodSteps = 0;
  }

  /** A base that is made of few calls takes on what comes, in a trough every one does; else it only follows downwards. */
  #rebase(excess: number, uncertainty: number, upwards: number): void {
    const downwards = excess < -SURELY_BELOW * uncertainty ? DOWNWARDS : 0;
    for (const kind of this.#seen) {
      if (kind.base === undefined) continue;
      const mixed = this.#trough || kind.weight < BASE_SAMPLES ? kind.count / (kind.count + kind.weight) : 0;
      kind.base += excess * Math.max(upwards, downwards, mixed);
      kind.weight = Math.min(BASE_SAMPLES, kind.weight + kind.count);
    }
  }
}

function stepOf(from: number, part: number): number {
  return Math.max(1, Math.round(from * part));
}

/** NaN counts as the least. */
function within(least: number, value: number, most: number): number {
  return value > least ? Math.min(value, most) : least;
}
