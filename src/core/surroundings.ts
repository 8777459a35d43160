import type { TaskPolicy } from '../policies/policy.ts';
import type { AnyCollector, Processor } from './collector.ts';
import { POLICY_METHODS, surrounded } from './middleware.ts';
import type { Validator } from './schema.ts';
import { checkedProcessor, TopicCheck } from './value-check.ts';

/**
 * What is around the processors of a queue:
 *
 *     middleware of the queue → policies of the collector → schemas of the topics → its own schema → the processor
 *
 * A processor that has none of that is called as it is.
 */
export class Surroundings {
  readonly #topics: TopicCheck | undefined;
  /** In the order of their use. */
  readonly #policies: TaskPolicy[] = [];
  #hooks: readonly TaskPolicy[] = [];

  constructor(schemas: ReadonlyMap<string, Validator> | undefined) {
    this.#topics = schemas && new TopicCheck(schemas);
  }

  /** Whether there are schemas of topics. */
  get checksValues(): boolean {
    return this.#topics !== undefined;
  }

  /** The policies that do more than wrap: they are asked about each task. */
  get hooks(): readonly TaskPolicy[] {
    return this.#hooks;
  }

  use(policy: TaskPolicy): void {
    this.#policies.push(policy);
    this.#hooks = this.#policies.filter((one) =>
      POLICY_METHODS.some((method) => method !== 'around' && one[method] !== undefined),
    );
  }

  /** The processor of a collector, with all that is around it. */
  processorOf(collector: AnyCollector): Processor {
    return surrounded(this.checkedProcessorOf(collector), [...this.#policies, ...collector.policies]);
  }

  /** The processor of a collector, with its schemas alone. */
  checkedProcessorOf(collector: AnyCollector): Processor {
    return checkedProcessor(collector.processor, this.#topics, collector.validator);
  }
}
