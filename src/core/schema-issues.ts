import { describe, type SchemaIssue } from './errors.ts';

/** How many issues an error's message names. */
const NAMED = 3;

/** The most characters that it takes of the message or the path of one. */
const LONGEST = 200;

/** The issues of a schema, their paths as plain keys; undefined for what is no list. Throws what it throws when read. */
export function issuesOf(issues: unknown): readonly SchemaIssue[] | undefined {
  if (!Array.isArray(issues)) return undefined;
  return Object.freeze(Array.from(issues, issueOf));
}

/** The first few, by their paths: `id: expected string; items[0].price: too small (and 2 more)`. */
export function named(issues: readonly SchemaIssue[]): string {
  const said = issues.slice(0, NAMED).map(({ path, message }) => {
    const where = cut(pathOf(path));
    return where === '' ? cut(message) : `${where}: ${cut(message)}`;
  });
  const more = issues.length > NAMED ? ` (and ${issues.length - NAMED} more)` : '';
  return `${said.join('; ')}${more}`;
}

function issueOf(issue: unknown): SchemaIssue {
  const { message, path }: { message?: unknown; path?: unknown } = Object(issue);
  const keys = Array.isArray(path) ? Array.from(path, keyOf) : [];
  return Object.freeze({
    message: typeof message === 'string' ? message : describe(message),
    path: Object.freeze(keys),
  });
}

/** A segment is a key, or an object that has one. */
function keyOf(segment: unknown): PropertyKey {
  const key: unknown = typeof segment === 'object' && segment !== null ? (segment as { key?: unknown }).key : segment;
  return typeof key === 'string' || typeof key === 'number' || typeof key === 'symbol' ? key : describe(key);
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((key, at) => {
      if (typeof key === 'number') return `[${key}]`;
      return at === 0 ? String(key) : `.${String(key)}`;
    })
    .join('');
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
