import type { Result } from 'neverthrow';
import { asError, ErrorCode, InvalidArgumentError } from '../core/errors.ts';
import type { Ack, Emitter, EmitterEvent } from '../emitter/index.ts';
import type { DeadText, TakenText } from './processing-list.ts';

/** What became of elements that were handed to an emitter. */
export interface HandedOver {
  readonly done: readonly TakenText[];
  /** No event, or refused for good. */
  readonly dead: readonly DeadText[];
  /** To be handed over again. */
  readonly again: readonly TakenText[];
  /** Why the first of these is; undefined if there are none. */
  readonly failure: Error | undefined;
}

type Verdict =
  | { readonly taken: TakenText; readonly outcome: 'done' }
  | { readonly taken: TakenText; readonly outcome: 'dead' | 'again'; readonly reason: Error };

/** These say nothing of the event: another time, or another emitter, may take it. */
const ABOUT_THE_EMITTER: ReadonlySet<unknown> = new Set([
  ErrorCode.EMITTER_CLOSED,
  ErrorCode.STORE_CLOSED,
  ErrorCode.STORE_DAMAGED,
  ErrorCode.MISSING_PACKAGE,
  ErrorCode.UNUSABLE_PACKAGE,
]);

/** Resolves when the emitter has said what becomes of each of them. Never rejects. */
export async function handToEmitter(emitter: Emitter, ack: Ack, texts: readonly TakenText[]): Promise<HandedOver> {
  const pending = texts.map((taken) => judged(emitter, ack, taken));
  if (ack === 'delivered') void hurry(emitter);
  const verdicts = await Promise.all(pending);
  const done = verdicts.flatMap(({ outcome, taken }) => (outcome === 'done' ? [taken] : []));
  const dead = verdicts.flatMap((verdict) => (verdict.outcome === 'dead' ? [verdict] : []));
  const again = verdicts.flatMap((verdict) => (verdict.outcome === 'again' ? [verdict] : []));
  return { done, dead, again: again.map(({ taken }) => taken), failure: again[0]?.reason };
}

/** Nothing more comes for its batch until this has left. */
async function hurry(emitter: Emitter): Promise<void> {
  try {
    await emitter.flush({ wait: false });
  } catch {
    // Then it leaves in the emitter's own time.
  }
}

async function judged(emitter: Emitter, ack: Ack, taken: TakenText): Promise<Verdict> {
  let event: EmitterEvent;
  try {
    event = eventIn(taken.text);
  } catch (thrown) {
    return { taken, outcome: 'dead', reason: asError(thrown) };
  }
  let outcome: Result<unknown, Error>;
  try {
    outcome = await (ack === 'stored' ? emitter.store(event) : (emitter as Required<Emitter>).deliver(event));
  } catch (thrown) {
    return { taken, outcome: 'again', reason: asError(thrown) };
  }
  if (outcome.isOk()) return { taken, outcome: 'done' };
  const reason = asError(outcome.error);
  return { taken, outcome: isFinal(reason) ? 'dead' : 'again', reason };
}

function isFinal(reason: Error): boolean {
  const { retryable, code } = reason as { retryable?: unknown; code?: unknown };
  return retryable === false && !ABOUT_THE_EMITTER.has(code);
}

/** @throws {@link InvalidArgumentError} for what is no JSON object; it shows nothing of it. */
function eventIn(text: string): EmitterEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('RedisForwarder: an element of the list', 'JSON', 'none');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as EmitterEvent;
  throw new InvalidArgumentError('RedisForwarder: an element of the list', 'a JSON object', 'other JSON');
}
