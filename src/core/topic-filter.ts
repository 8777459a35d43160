import { checkName } from './checks.ts';
import { InvalidArgumentError } from './errors.ts';

/**
 * A collector's topic is a name or a pattern, by the rules of MQTT 5.0, section 4.7: levels are parted by `/`; `+`
 * stands for exactly one level, `#` for any number of levels at the end, none included.
 */
export function checkTopicFilter(name: string, value: unknown): string {
  const filter = checkName(name, value);
  const levels = filter.split('/');
  for (const [at, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || at !== levels.length - 1)) {
      throw new InvalidArgumentError(
        name,
        "a topic or pattern with '#' alone in its last level",
        JSON.stringify(filter),
      );
    }
    if (level.includes('+') && level !== '+') {
      throw new InvalidArgumentError(name, "a topic or pattern with '+' alone in its level", JSON.stringify(filter));
    }
  }
  return filter;
}

export function isPattern(filter: string): boolean {
  return filter.includes('+') || filter.includes('#');
}

/**
 * Patterns, and what each stands for, as a tree of levels. Matching walks at most as many nodes as patterns share the
 * topic's beginning, however many patterns there are.
 */
export class PatternTree<T> {
  readonly #root: PatternNode<T> = new PatternNode<T>();

  add(pattern: string, value: T): void {
    let node = this.#root;
    for (const level of pattern.split('/')) {
      if (level === '#') {
        node.below.push(value);
        return;
      }
      node = node.child(level);
    }
    node.here.push(value);
  }

  /** Calls back for each match; more than once for a value that was added with several patterns. */
  match(topic: string, found: (value: T) => void): void {
    let nodes: PatternNode<T>[] = [this.#root];
    for (const level of topic.split('/')) {
      const next: PatternNode<T>[] = [];
      for (const node of nodes) {
        node.below.forEach(found);
        const exact = node.children.get(level);
        if (exact !== undefined) next.push(exact);
        if (node.anyLevel !== undefined) next.push(node.anyLevel);
      }
      if (next.length === 0) return;
      nodes = next;
    }
    for (const node of nodes) {
      node.below.forEach(found);
      node.here.forEach(found);
    }
  }
}

class PatternNode<T> {
  /** What patterns that end here stand for. */
  readonly here: T[] = [];
  /** What patterns that end in `#` at this point stand for. */
  readonly below: T[] = [];
  readonly children: Map<string, PatternNode<T>> = new Map();
  /** The child for `+`. */
  anyLevel: PatternNode<T> | undefined;

  child(level: string): PatternNode<T> {
    if (level === '+') {
      this.anyLevel ??= new PatternNode<T>();
      return this.anyLevel;
    }
    let child = this.children.get(level);
    if (child === undefined) {
      child = new PatternNode<T>();
      this.children.set(level, child);
    }
    return child;
  }
}
