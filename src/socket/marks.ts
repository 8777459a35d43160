import type { LevelEventStore } from '../store/index.ts';

/** What the spool keeps of a client, beside its events. */
interface ClientRecord {
  readonly seq: number;
  /** When it was last heard of, in milliseconds since the Unix epoch. */
  readonly at: number;
}

const PREFIX = 'client:';

/** How a client's last frame stands in the store, in the same write as its events. */
export function markOf(client: string, record: ClientRecord): Readonly<Record<string, string>> {
  return { [PREFIX + client]: JSON.stringify(record) };
}

/** The clients that were heard of since then, by name, with the number of their last frame; and the names of the others. */
export async function readClients(
  store: LevelEventStore,
  since: number,
): Promise<{ readonly known: Map<string, number>; readonly old: readonly string[] }> {
  const known = new Map<string, number>();
  const old: string[] = [];
  for (const [name, value] of await store.marks()) {
    if (!name.startsWith(PREFIX)) continue;
    const { seq, at } = JSON.parse(value) as ClientRecord;
    const client = name.slice(PREFIX.length);
    if (at >= since) known.set(client, seq);
    else old.push(client);
  }
  return { known, old };
}

/** What cannot be forgotten now can be so later. */
export async function forgetClients(store: LevelEventStore, names: readonly string[]): Promise<void> {
  if (names.length > 0) await store.addAll([], Object.fromEntries(names.map((name) => [PREFIX + name, undefined])));
}
