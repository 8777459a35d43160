import { type CollectorEvent, CollectorQueueError, type Outcomes } from 'collector-queue';
import type { BadRecord } from './flight.ts';

/** What came of the payloads that one collector took. */
interface Account {
  ok: number;
  /** How many errors of which kind. */
  readonly errors: Map<string, number>;
}

/**
 * Accounts for every send: none is forgotten, and none is waited for one by one. How many are open has a bound, because
 * the queue accepts no more than it can hold; of one that has settled only counts are left.
 */
export class Accounts {
  readonly byCollector: Map<string, Account> = new Map();
  /** Sends that have settled. */
  settled = 0;
  /** The first error that no bad record explains: a reason to stop. */
  failure: Error | undefined;
  #open = 0;
  #whenSettled: (() => void)[] = [];

  /**
   * Counts a send from now on, also one that still waits for room.
   * @param onErr - told of each `Err`: which collector, and why
   */
  async track<M extends Outcomes>(
    sent: CollectorEvent<M> | Promise<CollectorEvent<M>>,
    onErr?: (reason: string) => void,
  ): Promise<void> {
    this.#open++;
    const results = await (await sent).wait();
    const keys = results.keys();
    for (const [at, result] of [...results].entries()) {
      // A payload that the queue refused has a result, but no collector.
      const key = keys[at] ?? 'queue';
      const account = this.#of(key);
      if (result.isOk()) account.ok++;
      else onErr?.(`${key}: ${this.#bookError(account, result.error)}`);
    }
    this.settled++;
    if (--this.#open === 0) for (const resolve of this.#whenSettled.splice(0)) resolve();
  }

  /** Resolves once every send has settled, also those that an `Err` gave rise to. */
  async allSettled(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => this.#whenSettled.push(resolve));
  }

  #of(collectorKey: string): Account {
    const account = this.byCollector.get(collectorKey) ?? { ok: 0, errors: new Map() };
    this.byCollector.set(collectorKey, account);
    return account;
  }

  /** Returns the error in words. */
  #bookError({ errors }: Account, error: BadRecord | Error): string {
    const kind = kindOf(error);
    errors.set(kind, (errors.get(kind) ?? 0) + 1);
    if (!(error instanceof Error)) return `${kind}, ${error.detail}`;
    this.failure ??= error;
    return error.message;
  }
}

/** Our own kind, or the system's code below a failed processor, or the queue's code. */
function kindOf(error: BadRecord | Error): string {
  if (!(error instanceof Error)) return error.kind;
  const { code } = (error.cause ?? {}) as { code?: unknown };
  if (typeof code === 'string') return code;
  return error instanceof CollectorQueueError ? error.code : error.name;
}
