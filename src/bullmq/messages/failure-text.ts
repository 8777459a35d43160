import type { Envelope } from './seal.ts';

/** The most characters of the line for people. */
const MOST_CHARACTERS = 500;

/**
 * What a job that failed for good says: a line for people, who read it on a dashboard, and on the next line the sealed
 * result. The first line is signed by nobody.
 */
export function writeFailure(headline: string, envelope: Envelope): string {
  const line = headline.replace(/\s+/gu, ' ').slice(0, MOST_CHARACTERS);
  return `${line}\n${JSON.stringify(envelope)}`;
}

/** The envelope of such a text, not verified; undefined for a text that has none, such as one of BullMQ's own. */
export function readFailure(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  const end = text.indexOf('\n');
  if (end === -1) return undefined;
  try {
    return JSON.parse(text.slice(end + 1));
  } catch {
    return undefined;
  }
}
