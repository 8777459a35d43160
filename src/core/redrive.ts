import type { DeadLetter } from '../policies/dead-letter.ts';
import { checkName } from './checks.ts';
import { Delivery } from './delivery.ts';
import { describe, InvalidArgumentError } from './errors.ts';
import type { CollectorEvent } from './event.ts';
import { checkHeaders, type SendHeaders } from './headers.ts';
import { Payload } from './payload.ts';
import type { EventPublisher } from './publisher.ts';

/** A dead letter on its way back: the payload that failed, for the collector that failed. */
interface Return {
  readonly payload: Payload;
  readonly headers: SendHeaders | undefined;
}

/**
 * Sends the payloads of dead letters again, each to the collector that failed, with its topics and headers.
 *
 * @throws {@link InvalidArgumentError} for what is no dead letter, or one of a collector that there is not; then nothing
 * was sent
 */
export function redrive(
  letters: DeadLetter | readonly DeadLetter[],
  hasCollector: (key: string) => boolean,
  publisher: EventPublisher,
): CollectorEvent[] {
  const returns = [letters].flat().map((letter, at) => returnOf(letter, `redrive: letters[${at}]`, hasCollector));
  if (returns.every(({ headers }) => headers === undefined)) {
    return publisher.sendMany(returns.map(({ payload }) => payload));
  }
  return returns.map(({ payload, headers }) => publisher.send(payload, { headers }));
}

function returnOf(letter: DeadLetter, name: string, hasCollector: (key: string) => boolean): Return {
  const { collectorKey, value, topics, headers }: Partial<DeadLetter> = (letter as DeadLetter | null | undefined) ?? {};
  const keys = checkName(`${name}.collectorKey`, collectorKey);
  if (!hasCollector(keys)) {
    throw new InvalidArgumentError(`${name}.collectorKey`, 'the key of a collector of the queue', `"${keys}"`);
  }
  const names = checkTopics(`${name}.topics`, topics);
  return {
    payload: new Payload(value, { delivery: Delivery.KEY, keys, ...(names && { topics: names }) }) as Payload,
    headers: headers === undefined ? undefined : checkHeaders(`${name}.headers`, headers),
  };
}

/** None counts as not given. */
function checkTopics(name: string, topics: unknown): string[] | undefined {
  if (topics === undefined) return undefined;
  if (!Array.isArray(topics)) throw new InvalidArgumentError(name, 'an array of strings', describe(topics));
  return topics.length === 0 ? undefined : Array.from(topics, (topic, at) => checkName(`${name}[${at}]`, topic));
}
