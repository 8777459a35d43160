import type { Result } from 'neverthrow';
import { RetryTask } from './control.ts';
import type { PolicyTask, TaskPolicy } from './policy.ts';
import type { PolicyServices } from './services.ts';

/** How a failed attempt is repeated. */
export interface RetrySettings {
  /** Attempts in all, the first one included. */
  readonly attempts: number;
  /** The upper bound of the first delay; it doubles with each attempt. Milliseconds. */
  readonly base: number;
  /** The upper bound of any delay. Milliseconds. */
  readonly cap: number;
  readonly retryIf: (error: unknown, attempt: number) => boolean;
}

/** The longest wait that an error may ask for by `retryAfter`: a day. */
const LONGEST_RETRY_AFTER = 86_400_000;

/** Beyond this a power of 2 is Infinity, and 0 times that is no number. */
const MOST_DOUBLINGS = 1_023;

/**
 * Attempts a failed task again, after an exponential back-off with full jitter: any time between 0 and
 * `min(cap, base × 2^(attempt − 1))`, so that what failed together does not come back together
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). An error that carries `retryAfter`
 * (milliseconds, or a Date) is believed instead; one with `retryable: false` is permanent. {@link RetryTask} is obeyed,
 * whatever the settings.
 */
export class RetryPolicy implements TaskPolicy {
  readonly #settings: RetrySettings;
  readonly #services: PolicyServices;
  readonly #random: () => number;

  constructor(settings: RetrySettings, services: PolicyServices, random: () => number = Math.random) {
    this.#settings = settings;
    this.#services = services;
    this.#random = random;
  }

  after(task: PolicyTask, result: Result<unknown, unknown>): 'settle' | 'park' {
    if (result.isOk()) return 'settle';
    const { error } = result;
    const delay = delayAfter(this.#settings, error, task.number, this.#services, this.#random);
    if (delay === undefined) return 'settle';
    task.resumeAt(this.#services.clock.now() + delay);
    this.#services.tell('retrying', task, { error, delay });
    if (delay > 0) this.#services.tell('scheduled', task, { delay });
    return 'park';
  }
}

/** What deciding about another attempt takes. */
export interface RetryServices {
  readonly clock: { wall(): number };
  /** What the user's code failed with. */
  reasonOf(error: unknown): unknown;
}

/**
 * Milliseconds until the next attempt; undefined if there is none. Throws what `retryIf` throws.
 *
 * @param attempt - the number of the one that failed
 */
export function delayAfter(
  settings: RetrySettings,
  error: unknown,
  attempt: number,
  services: RetryServices,
  random: () => number,
): number | undefined {
  const { attempts, base, cap, retryIf } = settings;
  const wall = (): number => services.clock.wall();
  if (error instanceof RetryTask) {
    return error.delay ?? (error.at === undefined ? 0 : Math.max(0, error.at - wall()));
  }
  const reason = services.reasonOf(error);
  if (attempt >= attempts || propertyOf(reason, 'retryable') === false) return undefined;
  const wanted: unknown = retryIf(reason, attempt);
  if (wanted instanceof Promise) {
    wanted.catch(() => undefined);
    throw new TypeError('retryIf must answer at once, but it returned a promise');
  }
  if (!wanted) return undefined;
  return retryAfter(reason, wall) ?? random() * Math.min(cap, base * 2 ** Math.min(attempt - 1, MOST_DOUBLINGS));
}

/** What the error asks for, within bounds; undefined if that is nothing, or nonsense. */
function retryAfter(reason: unknown, wall: () => number): number | undefined {
  const asked = propertyOf(reason, 'retryAfter');
  const delay = asked instanceof Date ? asked.getTime() - wall() : asked;
  if (typeof delay !== 'number' || Number.isNaN(delay)) return undefined;
  return Math.min(Math.max(0, delay), LONGEST_RETRY_AFTER);
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
