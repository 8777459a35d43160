import type { Payload } from '../core/payload.ts';
import { type Expiry, expiryDue } from './expiry.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import { RateWindow } from './rate-window.ts';
import type { PolicyServices } from './services.ts';
import type { WakeUps } from './wake-ups.ts';

/** How many attempts may begin in which time. */
export interface RateSettings {
  readonly limit: number;
  /** Milliseconds. */
  readonly interval: number;
  /** What is counted apart; undefined for a payload that is not limited. Throws for a wrong key. */
  readonly keyOf: ((payload: Payload) => string | undefined) | undefined;
}

/** Where a task stands that the limit concerns. */
interface Standing {
  readonly window: RateWindow;
  /** The key of the window is counted for it: it waits in line, or may begin at any time, or has begun. */
  state: 'waiting' | 'promised' | 'begun';
  /** When it began. */
  start: number;
}

/** All attempts share one window where there is no `per`. */
const EVERYBODY = '';

/**
 * The windows of one collector, whatever its sends say, for one run of the queue.
 *
 *     waiting ──→ promised ──→ begun      promised: a start is kept for a task that waits for a consumer or a slot
 *
 * The promised and the starts within the last interval are never more than the limit, and nobody waits in a line while they
 * are less. A task begins at the earliest when it was promised to, so no window ever holds more starts than the limit.
 */
export class RateWindows {
  readonly #settings: RateSettings;
  readonly #services: PolicyServices;
  readonly #wakeUps: WakeUps;
  readonly #standings: Map<PolicyTask, Standing> = new Map();
  /** Asked once for each task. */
  readonly #keys: WeakMap<object, string | undefined> = new WeakMap();
  /** Those that were asked for since `#renewedAt`, and those of before. */
  #windows: Map<string, RateWindow> = new Map();
  #older: Map<string, RateWindow> = new Map();
  #renewedAt: number;

  constructor(settings: RateSettings, services: PolicyServices, wakeUps: WakeUps) {
    this.#settings = settings;
    this.#services = services;
    this.#wakeUps = wakeUps;
    this.#renewedAt = services.clock.now();
  }

  /** False if the attempt may not begin now; then the task waits until it may. */
  take(task: PolicyTask, expires: number): boolean {
    const key = this.#keyOf(task);
    if (key === undefined) return true;
    this.#wakeUps.delete(task);
    const now = this.#services.clock.now();
    const standing = this.#standings.get(task) ?? this.#enter(task, this.#windowOf(key, now));
    const { window, state } = standing;
    const { line } = window;
    if (state === 'promised') window.promised--;
    else if (window.hasRoom(now) && (line.first === undefined || line.first.task === task)) line.delete(task);
    else {
      line.add(task, expires);
      if (line.first?.task === task) this.#admit(window);
      return false;
    }
    standing.state = 'begun';
    standing.start = now;
    window.start(now);
    this.#admit(window);
    return true;
  }

  /** The attempt that was let through does not begin yet, for want of a slot: its start is kept for it. */
  postpone(task: PolicyTask): void {
    const standing = this.#standings.get(task);
    if (standing?.state !== 'begun') return;
    const { window } = standing;
    window.undo(standing.start);
    window.promised++;
    standing.state = 'promised';
  }

  /** The attempt that was let through, or that waits, does not begin. */
  giveBack(task: PolicyTask): void {
    const standing = this.#standings.get(task);
    if (standing?.state === 'begun') standing.window.undo(standing.start);
    this.leave(task);
  }

  /** The task waits no more. */
  leave(task: PolicyTask): void {
    this.#wakeUps.delete(task);
    const standing = this.#standings.get(task);
    if (standing === undefined) return;
    this.#standings.delete(task);
    const { window, state } = standing;
    window.line.delete(task);
    if (state === 'promised') window.promised--;
    this.#admit(window);
  }

  /** Promises what there is room for, in order; the first of those that are left comes back by itself. */
  #admit(window: RateWindow): void {
    const { line } = window;
    if (line.first === undefined) return;
    const now = this.#services.clock.now();
    while (window.hasRoom(now)) {
      const task = line.shift();
      if (task === undefined) return;
      window.promised++;
      (this.#standings.get(task) as Standing).state = 'promised';
      this.#wakeUps.add(task);
    }
    const { first } = line;
    if (first === undefined) return;
    const due = Math.min(window.roomAt, first.expires);
    if (due !== Number.POSITIVE_INFINITY) first.task.resumeAt(due);
  }

  #enter(task: PolicyTask, window: RateWindow): Standing {
    const standing: Standing = { window, state: 'waiting', start: 0 };
    this.#standings.set(task, standing);
    return standing;
  }

  #keyOf({ chain, payload }: PolicyTask): string | undefined {
    const { keyOf } = this.#settings;
    if (keyOf === undefined) return EVERYBODY;
    if (this.#keys.has(chain)) return this.#keys.get(chain);
    const key = payload === undefined ? undefined : keyOf(payload);
    this.#keys.set(chain, key);
    return key;
  }

  #windowOf(key: string, now: number): RateWindow {
    const { limit, interval } = this.#settings;
    if (now - this.#renewedAt >= interval) this.#renew(now);
    const known = this.#windows.get(key);
    if (known !== undefined) return known;
    const window = this.#older.get(key) ?? new RateWindow(limit, interval);
    this.#older.delete(key);
    this.#windows.set(key, window);
    return window;
  }

  /** Lets go of what is idle, of all that was not asked for in an interval: each key is looked at once in that time. */
  #renew(now: number): void {
    const idle = this.#older;
    this.#older = this.#windows;
    this.#windows = new Map();
    for (const [key, window] of idle) if (!window.isIdle(now)) this.#windows.set(key, window);
    this.#renewedAt = now;
  }
}

/**
 * Lets a number of attempts begin in any window of so many milliseconds, counted exactly, from start to start; others are
 * parked and come back in the order in which they came, as soon as they may begin.
 */
export class RateLimitPolicy implements TaskPolicy {
  readonly #windows: RateWindows;
  readonly #slots: TaskPolicy | undefined;
  readonly #expiry: Expiry | undefined;
  readonly #services: PolicyServices;

  /** @param slots - what is asked later, and parks only what nobody else of the collector could do instead */
  constructor(
    windows: RateWindows,
    slots: TaskPolicy | undefined,
    expiry: Expiry | undefined,
    services: PolicyServices,
  ) {
    this.#windows = windows;
    this.#slots = slots;
    this.#expiry = expiry;
    this.#services = services;
  }

  before(task: PolicyTask): 'run' | 'park' {
    const expires = expiryDue(this.#expiry, task, this.#services.clock);
    return this.#windows.take(task, expires) ? 'run' : 'park';
  }

  notStarted(task: PolicyTask, by: TaskPolicy): void {
    if (by === this) return;
    // Until a slot is free, nobody else could make use of the start either.
    if (by === this.#slots) this.#windows.postpone(task);
    else this.#windows.giveBack(task);
  }

  workEnded(task: PolicyTask): void {
    this.#windows.leave(task);
  }

  settled(task: PolicyTask): void {
    this.#windows.leave(task);
  }

  forget(task: PolicyTask): void {
    this.#windows.leave(task);
  }
}
