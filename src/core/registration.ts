import { type AnyCollector, claimCollector, type Processor, releaseCollector } from './collector.ts';
import { LifecycleError } from './errors.ts';
import { freshContext, type Shutdown, setUp } from './lifecycle.ts';
import type { TaskPlan } from './task-plan.ts';

/** Puts something around the processor of a collector, and around all that is around that already. */
export type Instrument = (processor: Processor, collector: AnyCollector) => Processor;

/** A collector at work in a queue: its context, its lifecycle, and what it has unfinished. */
export class Registration {
  readonly key: string;
  readonly collector: AnyCollector;
  /** With what is around it. */
  processor: Processor;
  /** The order of registration. */
  readonly position: number;
  /** Which queue run it belongs to; a router that selects a foreign collector is caught by it. */
  readonly owner: object;
  readonly context: Record<string, unknown>;
  /**
   * Undefined where there is nothing to mind: the way that most tasks go. Made when the collector takes part, and anew
   * when it is revoked.
   */
  plan: TaskPlan | undefined = undefined;
  /** Tasks that were handed over and have not ended, parked ones too. */
  unfinished = 0;
  /** It shuts down: nothing may be handed to it any more. */
  closing = false;
  /** Told when {@link Registration.unfinished} falls to 0. */
  finished: (() => void) | undefined = undefined;
  #instrument: Instrument | undefined;
  #shutdown: Shutdown | undefined;
  #closed: Promise<void> | undefined;

  private constructor(collector: AnyCollector, position: number, owner: object) {
    this.key = collector.key;
    this.collector = collector;
    this.processor = collector.processor;
    this.position = position;
    this.owner = owner;
    this.context = freshContext(collector.context);
  }

  /**
   * Claims the collector for this owner and sets it up. Rejects with a {@link LifecycleError} if it serves another
   * queue or its lifecycle fails; then the collector is free again.
   */
  static async open(collector: AnyCollector, position: number, owner: object): Promise<Registration> {
    const registration = new Registration(collector, position, owner);
    if (!claimCollector(collector, registration)) {
      const message = `collector "${collector.key}" serves another queue that was not shut down`;
      throw new LifecycleError(message, [new Error(message)]);
    }
    try {
      if (collector.lifecycle !== undefined) {
        registration.#shutdown = await setUp(collector.lifecycle, registration.context);
      }
      return registration;
    } catch (thrown) {
      releaseCollector(collector);
      throw thrown;
    }
  }

  /** One task has ended. */
  taskEnded(): void {
    if (--this.unfinished === 0 && this.finished !== undefined) this.finished();
  }

  /** From now on this is called for an attempt: the processor with what is around it. */
  surround(processor: Processor): void {
    this.processor = this.#instrument === undefined ? processor : this.#instrument(processor, this.collector);
  }

  /** From now on the processor is called by way of what `wrap` makes of it. Once. */
  instrument(wrap: Instrument): void {
    if (this.#instrument !== undefined) return;
    this.#instrument = wrap;
    this.surround(this.processor);
  }

  /** Shuts the collector down and frees it for another queue, also if its lifecycle fails. Once; callers share it. */
  close(): Promise<void> {
    this.closing = true;
    this.#closed ??= this.#close();
    this.finished?.();
    return this.#closed;
  }

  async #close(): Promise<void> {
    try {
      await this.#shutdown?.();
    } finally {
      releaseCollector(this.collector);
    }
  }
}
