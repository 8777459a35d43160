/** A date as HTTP writes it begins with a day of the week (RFC 9110, section 5.6.7). */
const HTTP_DATE = /^(mon|tue|wed|thu|fri|sat|sun)/i;

/**
 * How long a `Retry-After` asks to wait, in milliseconds, at most `longest`. Undefined where it is absent, negative or
 * unreadable. RFC 9110, section 10.2.3: whole seconds or a date; other ways to write a number are understood too.
 *
 * @param wall - the time of day, in milliseconds since the Unix epoch
 */
export function parseRetryAfter(header: string | null, wall: number, longest: number): number | undefined {
  const text = header?.trim() ?? '';
  if (text === '') return undefined;
  const delay = HTTP_DATE.test(text) ? Math.max(0, Date.parse(text) - wall) : Number(text) * 1_000;
  return delay >= 0 ? Math.min(delay, longest) : undefined;
}
