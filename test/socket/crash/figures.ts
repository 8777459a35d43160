/** What a campaign comes to. */
export interface CampaignResult {
  readonly acked: number;
  /** Acknowledged, and never delivered. */
  readonly lost: number;
  /** Delivered once more. */
  readonly duplicated: number;
  /** Delivered, and never issued, or not as it was issued. */
  readonly foreign: number;
  /** How often a client found that the daemon had lost its number. */
  readonly forgotten: number;
  readonly kills: Readonly<Record<Victim, number>>;
  /** From the kill of a daemon to the next acknowledgement, in milliseconds: half of them, and all but one in a hundred, took no longer. */
  readonly recovery: { readonly p50: number; readonly p99: number };
  /** How often the collector gave which answer. */
  readonly answers: Readonly<Record<string, number>>;
  /** How often the daemon refused a frame, by code. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Who is killed. */
export type Victim = 'daemon' | 'client' | 'both';
export const VICTIMS: readonly Victim[] = ['daemon', 'client', 'both'];

export interface Outcome {
  readonly acked: readonly number[];
  readonly issued: readonly number[];
  readonly delivered: ReadonlyMap<number, number>;
}

/** Holds what the clients noted against what the collector got. */
export function compare({
  acked,
  issued,
  delivered,
}: Outcome): Pick<CampaignResult, 'acked' | 'lost' | 'duplicated' | 'foreign'> {
  const known = new Set(issued);
  const counts = [...delivered.values()];
  return {
    acked: acked.length,
    lost: acked.filter((id) => !delivered.has(id)).length,
    duplicated: counts.reduce((sum, count) => sum + count - 1, 0),
    foreign: [...delivered.keys()].filter((id) => !known.has(id)).length,
  };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
