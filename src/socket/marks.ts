import type { LevelEventStore } from '../store/index.ts';

/** What the spool keeps of a client, beside its events. */
export interface ClientRecord {
  /** Of its last frame. */
  readonly seq: number;
  /** When it was last heard of, in milliseconds since the Unix epoch. */
  readonly at: number;
}

const PREFIX = 'client:';

/**
 * When a client was heard of without a frame. Under a name of its own: a number that is written again beside a commit could
 * take that back.
 */
const HEARD = 'heard:';

/** How a client's last frame stands in the store, in the same write as its events. */
export function markOf(client: string, record: ClientRecord): Readonly<Record<string, string>> {
  return { [PREFIX + client]: JSON.stringify(record) };
}

/** The clients that the spool knows, by name. */
export async function readClients(store: LevelEventStore): Promise<Map<string, ClientRecord>> {
  const marks = await store.marks();
  const clients = new Map<string, ClientRecord>();
  for (const [name, value] of marks) {
    if (!name.startsWith(PREFIX)) continue;
    const client = name.slice(PREFIX.length);
    const { seq, at } = JSON.parse(value) as ClientRecord;
    clients.set(client, { seq, at: Math.max(at, Number(marks.get(HEARD + client) ?? at)) });
  }
  return clients;
}

/** These were heard of. What cannot be written now is so later. */
export async function renewClients(store: LevelEventStore, names: readonly string[], at: number): Promise<void> {
  if (names.length > 0) await store.addAll([], Object.fromEntries(names.map((name) => [HEARD + name, String(at)])));
}

/** What cannot be forgotten now can be so later. */
export async function forgetClients(store: LevelEventStore, names: readonly string[]): Promise<void> {
  const marks = names.flatMap((name) => [PREFIX + name, HEARD + name]);
  if (marks.length > 0) await store.addAll([], Object.fromEntries(marks.map((mark) => [mark, undefined])));
}
