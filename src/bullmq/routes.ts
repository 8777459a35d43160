import { type AnyCollector, Collector } from '../core/collector.ts';
import { asRouterError, RouterError } from '../core/errors.ts';
import type { Payload } from '../core/payload.ts';
import { type Collectors, Router, type RouterClass } from '../core/router.ts';
import type { Announcement } from './notes.ts';

/** The collectors that a publisher knows, and the router that selects among them. */
export class Routes {
  #collectors: Collectors = new Map();
  #positions: ReadonlyMap<AnyCollector, number> = new Map();
  #router: Router;
  readonly #made: RouterClass | undefined;
  /** Of the announced collectors: what was announced last, and what stands for each. */
  #announced = '';

  /** @throws {@link RouterError} */
  constructor(router: Router | RouterClass) {
    if (router instanceof Router) this.#router = router;
    else {
      this.#made = router;
      this.#router = madeBy(router, this.#collectors);
    }
  }

  get keys(): string[] {
    return [...this.#collectors.keys()];
  }

  get(key: string): AnyCollector | undefined {
    return this.#collectors.get(key);
  }

  /** Routes to these collectors from now on. @throws {@link RouterError} */
  use(collectors: readonly AnyCollector[]): void {
    const byKey: Collectors = new Map(collectors.map((collector) => [collector.key, collector]));
    try {
      const router = this.#made === undefined ? this.#router : new this.#made(byKey);
      router.refresh(byKey);
      this.#router = router;
    } catch (thrown) {
      throw asRouterError(thrown);
    }
    this.#collectors = byKey;
    this.#positions = new Map(collectors.map((collector, at) => [collector, at]));
  }

  /** The same for what workers have announced. What stands for a collector is never run. */
  useAnnounced(announcements: readonly Announcement[]): void {
    const text = JSON.stringify(announcements);
    if (text === this.#announced) return;
    this.use(announcements.map(standIn));
    this.#announced = text;
  }

  /** The collectors for a payload, each once, in order of registration. @throws {@link RouterError} */
  select(payload: Payload): readonly AnyCollector[] {
    let selected: readonly AnyCollector[];
    try {
      selected = this.#router.select(payload);
    } catch (thrown) {
      throw asRouterError(thrown);
    }
    if (!Array.isArray(selected)) throw new RouterError(`the router selected no array, but a ${typeof selected}`);
    if (selected.length === 1 && this.#positions.has(selected[0])) return selected;
    return [...new Set<AnyCollector>(selected)].sort((a, b) => this.#positionOf(a) - this.#positionOf(b));
  }

  #positionOf(collector: AnyCollector): number {
    const position = this.#positions.get(collector);
    if (position !== undefined) return position;
    throw new RouterError(`the router selected collector "${String(collector?.key)}", which is not in this queue`);
  }
}

function madeBy(router: RouterClass, collectors: Collectors): Router {
  try {
    return new router(collectors);
  } catch (thrown) {
    throw asRouterError(thrown);
  }
}

function standIn({ key, topics, delay, at }: Announcement): AnyCollector {
  const notHere = (): never => {
    throw new Error(`collector "${key}" runs in another process`);
  };
  return new Collector(key, notHere, { topics, delay, at });
}
