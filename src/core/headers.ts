import { checkName } from './checks.ts';
import { describe, InvalidArgumentError } from './errors.ts';

/** Texts that go along with a payload, by name. */
export type SendHeaders = Readonly<Record<string, string>>;

/** What the library's own headers begin with. */
export const RESERVED = 'collector-queue.';

/** A frozen copy. @throws {@link InvalidArgumentError} for anything but a plain object of strings. */
export function checkHeaders(name: string, headers: unknown): SendHeaders {
  const prototype: unknown =
    typeof headers === 'object' && headers !== null ? Object.getPrototypeOf(headers) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw new InvalidArgumentError(name, 'a plain object of strings', describe(headers));
  }
  const entries = Object.entries(headers as object);
  for (const [header, value] of entries) {
    checkName(`${name}: name`, header);
    if (header.startsWith(RESERVED) || header === '__proto__') {
      throw new InvalidArgumentError(
        name,
        `without __proto__ and names that begin with ${RESERVED}`,
        `given "${header}"`,
      );
    }
    if (typeof value !== 'string') throw new InvalidArgumentError(`${name}["${header}"]`, 'a string', describe(value));
  }
  return Object.freeze(Object.fromEntries(entries) as Record<string, string>);
}
