import type { AnyCollector } from './collector.ts';
import { Delivery } from './delivery.ts';
import { type Payload, payloadNames } from './payload.ts';
import { type Collectors, Router } from './router.ts';
import { isPattern, PatternTree } from './topic-filter.ts';

/** How many topics that only patterns match are remembered with what they match. */
const REMEMBERED_TOPICS = 4096;

/** A collector in the index. The stamp tells whether the selection under way has it already. */
interface Entry {
  readonly collector: AnyCollector;
  readonly position: number;
  stamp: number;
}

/**
 * The default router: by key, by topic (patterns too) or to all, each matched collector once, in order of
 * registration. The index is built when the collectors change; a payload with one key or topic costs one look-up.
 */
export class SimpleRouter extends Router {
  #everyone: readonly AnyCollector[] = [];
  #byKey: Index = new Map();
  /** The topics that collectors name; what patterns match of them is in it. */
  #byTopic: Index = new Map();
  #patterns: PatternTree<Entry> | undefined;
  /** Topics that only patterns match, as they came; forgotten as a whole when they become too many. */
  #remembered: Map<string, Selection> = new Map();
  #stamp = 0;

  constructor(collectors: Collectors = new Map()) {
    super(collectors);
    this.#build();
  }

  override refresh(collectors: Collectors): void {
    super.refresh(collectors);
    this.#build();
  }

  select(payload: Payload): readonly AnyCollector[] {
    const names = payloadNames(payload);
    if (names === undefined) return this.#everyone;
    const index = payload.delivery === Delivery.KEY ? this.#byKey : this.#byTopic;
    if (typeof names !== 'string') return this.#selectSeveral(names, index);
    return (index.get(names) ?? this.#selectRare(names, index)).collectors;
  }

  #selectSeveral(names: readonly string[], index: Index): readonly AnyCollector[] {
    return this.#merge(names.flatMap((name) => (index.get(name) ?? this.#selectRare(name, index)).entries)).collectors;
  }

  /** A name that is not in the index: a topic may still match patterns. */
  #selectRare(name: string, index: Index): Selection {
    if (this.#patterns === undefined || index !== this.#byTopic) return NOBODY;
    return this.#remembered.get(name) ?? this.#remember(name, this.#patterns);
  }

  #remember(topic: string, patterns: PatternTree<Entry>): Selection {
    const found: Entry[] = [];
    patterns.match(topic, (entry) => found.push(entry));
    const selection = this.#merge(found);
    if (this.#remembered.size >= REMEMBERED_TOPICS) this.#remembered.clear();
    this.#remembered.set(topic, selection);
    return selection;
  }

  /** Each once, in order of registration. */
  #merge(found: readonly Entry[]): Selection {
    const stamp = ++this.#stamp;
    const entries: Entry[] = [];
    for (const entry of found) {
      if (entry.stamp === stamp) continue;
      entry.stamp = stamp;
      entries.push(entry);
    }
    return selectionOf(entries.sort((a, b) => a.position - b.position));
  }

  #build(): void {
    const entries = [...this.collectors.values()].map((collector, position) => ({ collector, position, stamp: 0 }));
    const byTopic = new Map<string, Entry[]>();
    this.#patterns = undefined;
    for (const entry of entries) {
      for (const topic of new Set(entry.collector.topics)) {
        if (isPattern(topic)) {
          this.#patterns ??= new PatternTree();
          this.#patterns.add(topic, entry);
        } else {
          const subscribed = byTopic.get(topic);
          if (subscribed === undefined) byTopic.set(topic, [entry]);
          else subscribed.push(entry);
        }
      }
    }
    this.#everyone = selectionOf(entries).collectors;
    this.#byKey = new Map(entries.map((entry) => [entry.collector.key, selectionOf([entry])]));
    for (const [topic, subscribed] of byTopic) this.#patterns?.match(topic, (entry) => subscribed.push(entry));
    this.#byTopic = new Map([...byTopic].map(([topic, subscribed]) => [topic, this.#merge(subscribed)]));
    this.#remembered = new Map();
  }
}

/** What a name stands for, in both forms that are needed. */
interface Selection {
  readonly entries: readonly Entry[];
  readonly collectors: readonly AnyCollector[];
}

type Index = ReadonlyMap<string, Selection>;

const NOBODY: Selection = { entries: [], collectors: [] };

function selectionOf(entries: readonly Entry[]): Selection {
  return { entries, collectors: Object.freeze(entries.map((entry) => entry.collector)) };
}
