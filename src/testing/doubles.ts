import { processorOfBatches } from '../core/batch-collector.ts';
import { type AnyCollector, Collector, type Processor } from '../core/collector.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { CallLog } from './call-log.ts';
import type { KitSettings } from './kit-options.ts';

/**
 * The collectors of a kit: copies of those that were given, whose processors are recorded and can be replaced. The ones
 * that were given are not touched, and may be in any number of kits at a time.
 */
export class Doubles {
  readonly #log: CallLog;
  readonly #settings: Pick<KitSettings, 'contexts' | 'lifecycles'>;
  readonly #keys: Set<string> = new Set();
  readonly #stubs: Map<string, Processor>;

  constructor(log: CallLog, settings: Pick<KitSettings, 'stubs' | 'contexts' | 'lifecycles'>) {
    this.#log = log;
    this.#settings = settings;
    this.#stubs = new Map(settings.stubs);
  }

  /** A copy of a collector; anything else comes back as it is, for the queue to refuse. */
  readonly of = (collector: AnyCollector): AnyCollector => {
    if (!(collector instanceof Collector)) return collector;
    const { key, processor } = collector;
    const { contexts } = this.#settings;
    const recorded = this.#log.recording(key, () => {
      const stub = this.#stubs.get(key);
      if (stub === undefined) return processor;
      // It stands for a processor of batches, and gets what that would get.
      return collector.batch === undefined ? stub : processorOfBatches(key, stub as never);
    });
    const double = Object.setPrototypeOf(new Collector(key, recorded), Object.getPrototypeOf(collector));
    this.#keys.add(key);
    return Object.assign(double, collector, {
      processor: recorded,
      lifecycle: this.#hasLifecycle(key) ? collector.lifecycle : undefined,
      context: contexts.get(key) ?? collector.context,
    });
  };

  /** From the next call on, this is the processor; undefined for the one that was given. */
  stub(key: string, processor: Processor | undefined): void {
    if (processor === undefined) this.#stubs.delete(key);
    else this.#stubs.set(key, processor);
  }

  /** @throws `InvalidArgumentError` for what is no key of a collector */
  checkKey(argument: string, key: unknown): string {
    if (this.#keys.has(key as string)) return key as string;
    const keys = [...this.#keys].map((one) => `"${one}"`).join(', ');
    throw new InvalidArgumentError(argument, `the key of a collector of the kit (${keys})`, describe(key));
  }

  #hasLifecycle(key: string): boolean {
    const { contexts, lifecycles } = this.#settings;
    if (lifecycles !== 'unstubbed') return lifecycles === 'all';
    return !this.#stubs.has(key) && !contexts.has(key);
  }
}
