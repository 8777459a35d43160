import { checkBoolean, checkInteger, checkOneOf } from '../core/checks.ts';
import { describe, InvalidArgumentError } from '../core/errors.ts';
import type { LevelEventStore, ListedEvent } from '../store/index.ts';
import type { DeadLetters } from './dead-letters.ts';
import type { SpoolMetrics } from './metrics.ts';

/** What operators look into. */
export interface SpoolStores {
  readonly events: LevelEventStore;
  readonly deadLetters: DeadLetters;
  metrics(): Promise<SpoolMetrics>;
}

/** What `verify` found. */
export interface VerifyReport {
  readonly events: number;
  readonly deadLetters: number;
  /** Records that do not decode; they are put aside when their turn comes. */
  readonly damaged: number;
}

type Body = Readonly<Record<string, unknown>>;

/** Does what an operator asks, and yields the answers. @throws for what it cannot do, with the reason. */
export type Control = (command: string, body: Readonly<Record<string, unknown>>) => AsyncIterable<object>;

/** The commands of operators, whether they come over a socket or are run on a spool that no daemon has open. */
export function controlOf(stores: SpoolStores): Control {
  const commands: Readonly<Record<string, (body: Body) => AsyncIterable<object>>> = {
    stats: () => one(async () => ({ stats: await stores.metrics() })),
    ls: (body) => list(stores, body),
    redrive: ({ ids }) =>
      one(async () => ({ redriven: await stores.deadLetters.redrive(stores.events, chosenIds(ids)) })),
    verify: () => one(async () => ({ verified: await verify(stores) })),
  };
  return (name, body) => {
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command !== undefined) return command(body);
    throw new InvalidArgumentError('spool: command', `one of ${Object.keys(commands).join(', ')}`, describe(name));
  };
}

async function* one(answer: () => Promise<object>): AsyncGenerator<object, void> {
  yield await answer();
}

async function* list({ events, deadLetters }: SpoolStores, body: Body): AsyncGenerator<object, void> {
  const { from = 'dead', limit, after, newest = false } = body;
  const store = checkOneOf('spool ls: from', from, ['dead', 'events']) === 'dead' ? deadLetters : events;
  const entries = store.list({
    newest: checkBoolean('spool ls: newest', newest),
    ...(limit === undefined ? {} : { limit: checkInteger('spool ls: limit', limit, { min: 1 }) }),
    ...(after === undefined ? {} : { after: checkInteger('spool ls: after', after, { min: 0 }) }),
  });
  for await (const entry of entries) yield { entry };
}

async function verify({ events, deadLetters }: SpoolStores): Promise<VerifyReport> {
  const [found, letters] = [
    await count(events.list({ damaged: true })),
    await count(deadLetters.list({ damaged: true })),
  ];
  return { events: found.sound, deadLetters: letters.sound, damaged: found.damaged + letters.damaged };
}

async function count(entries: AsyncIterable<ListedEvent>): Promise<{ sound: number; damaged: number }> {
  const counts = { sound: 0, damaged: 0 };
  for await (const { event } of entries) counts[event === undefined ? 'damaged' : 'sound']++;
  return counts;
}

/** Undefined for all. */
function chosenIds(ids: unknown): readonly number[] | undefined {
  if (ids === 'all') return undefined;
  if (Array.isArray(ids) && ids.length > 0) return ids.map((id) => checkInteger('spool redrive: ids', id, { min: 1 }));
  throw new InvalidArgumentError('spool redrive: ids', "'all' or an array of at least one id", describe(ids));
}
