import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What became of the events. */
export interface Tally {
  readonly issued: number;
  readonly acknowledged: number;
  readonly delivered: number;
  /** Delivered more than once. */
  readonly repeated: number;
  /** Acknowledged, and never delivered. */
  readonly lost: number;
  /** Delivered, and made by nobody. */
  readonly strange: number;
  /** Issued, and not acknowledged: their worker was killed before it knew. */
  readonly open: number;
  /** Those of them that were delivered all the same. */
  readonly openDelivered: number;
}

/** Holds the files of the workers against what the collector got. */
export function tallyOf(folder: string, times: ReadonlyMap<string, number>): Tally {
  const issued = idsIn(folder, '.issued');
  const acknowledged = idsIn(folder, '.acknowledged');
  const count = (ids: Iterable<string>, holds: (id: string) => boolean): number => [...ids].filter(holds).length;
  const isOpen = (id: string): boolean => !acknowledged.has(id);
  return {
    issued: issued.size,
    acknowledged: acknowledged.size,
    delivered: times.size,
    repeated: count(times.keys(), (id) => (times.get(id) ?? 0) > 1),
    lost: count(acknowledged, (id) => !times.has(id)),
    strange: count(times.keys(), (id) => !issued.has(id)),
    open: count(issued, isOpen),
    openDelivered: count(issued, (id) => isOpen(id) && times.has(id)),
  };
}

export function describeTally(tally: Tally): string {
  return [
    `issued            ${tally.issued}`,
    `acknowledged      ${tally.acknowledged}`,
    `delivered         ${tally.delivered}, ${tally.repeated} of them more than once, ${tally.strange} that nobody issued`,
    `lost              ${tally.lost}`,
    `not acknowledged  ${tally.open}, ${tally.openDelivered} of them delivered all the same`,
  ].join('\n');
}

/** The last line may be cut off: then its id was not written. */
function idsIn(folder: string, ending: string): Set<string> {
  const names = readdirSync(folder).filter((name) => name.endsWith(ending));
  return new Set(names.flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1)));
}
