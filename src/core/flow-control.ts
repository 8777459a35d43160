import type { KeepForCall } from '../policies/batch.ts';
import { ConcurrencyPolicy, Slots } from '../policies/concurrency.ts';
import type { Expiry } from '../policies/expiry.ts';
import { PartitionPolicy, Partitions } from '../policies/partition.ts';
import { RateLimitPolicy, RateWindows } from '../policies/rate-limit.ts';
import type { PolicyServices } from '../policies/services.ts';
import { WakeUps } from '../policies/wake-ups.ts';
import type { AnyCollector } from './collector.ts';
import type { FlowSettings } from './flow-options.ts';

/** What the tasks of one collector share, whatever their sends say. */
interface SharedFlow {
  readonly slots: Slots | undefined;
  readonly windows: RateWindows | undefined;
  readonly partitions: Partitions;
}

/** The policies that control the flow of a collector's tasks; undefined where there is nothing to control. */
export interface FlowPolicies {
  readonly partition: PartitionPolicy | undefined;
  readonly rateLimit: RateLimitPolicy | undefined;
  readonly concurrency: ConcurrencyPolicy | undefined;
}

const UNCONTROLLED: FlowPolicies = Object.freeze({
  partition: undefined,
  rateLimit: undefined,
  concurrency: undefined,
});

/** Keeps what the flow of tasks depends on, for one run of a queue: slots, windows of rates, keys. */
export class FlowControl {
  readonly #services: PolicyServices;
  readonly #wakeUps: WakeUps = new WakeUps();
  readonly #shared: WeakMap<AnyCollector, SharedFlow> = new WeakMap();

  constructor(services: PolicyServices) {
    this.#services = services;
  }

  /** The policies of a plan: what waits in them waits beside the tasks of the collector's other plans. */
  policiesFor(collector: AnyCollector, sentKey: string | undefined, expiry: Expiry | undefined): FlowPolicies {
    const services = this.#services;
    const { flow } = collector.settings;
    if (flow === undefined && sentKey === undefined) return UNCONTROLLED;
    const { slots, windows, partitions } = this.#sharedBy(collector, flow);
    const partitionOf = sentKey === undefined ? flow?.partitionOf : (): string => sentKey;
    const concurrency = slots && new ConcurrencyPolicy(slots, expiry, services);
    return {
      partition: partitionOf && new PartitionPolicy(partitions, partitionOf, expiry, services),
      rateLimit: windows && new RateLimitPolicy(windows, concurrency, expiry, services),
      concurrency,
    };
  }

  /** Keeps the keys of tasks while another one of their collector makes a call for them. */
  keeperOf(collector: AnyCollector): KeepForCall {
    const { partitions } = this.#sharedBy(collector, collector.settings.flow);
    return (task) => partitions.keep(task);
  }

  #sharedBy(collector: AnyCollector, flow: FlowSettings | undefined): SharedFlow {
    const made = this.#shared.get(collector) ?? {
      slots: flow?.concurrency === undefined ? undefined : new Slots(flow.concurrency, this.#wakeUps),
      windows: flow?.rate === undefined ? undefined : new RateWindows(flow.rate, this.#services, this.#wakeUps),
      partitions: new Partitions(this.#wakeUps),
    };
    this.#shared.set(collector, made);
    return made;
  }
}
