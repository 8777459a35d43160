/** What a status means for the events of its request. */
export type Verdict = 'sent' | 'retry' | 'refused' | 'tooLarge';

/** The codes that Snowplow's trackers never try again. */
const PERMANENT: ReadonlySet<number> = new Set([400, 401, 403, 410, 422]);

const TOO_LARGE = 413;

/**
 * A success is 2xx and nothing else, whatever the user says. Everything else is tried again, a redirection too, but for
 * {@link PERMANENT} and 413, where the user has not decided otherwise.
 */
export function verdictOn(status: number, custom: ReadonlyMap<number, boolean>): Verdict {
  if (status >= 200 && status <= 299) return 'sent';
  if (status === TOO_LARGE) return 'tooLarge';
  return willRetry(status, custom) ? 'retry' : 'refused';
}

/** Whether events with this answer are tried again as they are. */
export function willRetry(status: number, custom: ReadonlyMap<number, boolean>): boolean {
  return custom.get(status) ?? (status !== TOO_LARGE && !PERMANENT.has(status));
}

/** The refusals that a single event can be to blame for; the others concern whatever is sent there. */
const OF_CONTENT: ReadonlySet<number> = new Set([400, 422]);

/** Whether, of several events that were refused with this answer, some may be taken alone. */
export function mayPart(status: number): boolean {
  return OF_CONTENT.has(status);
}
