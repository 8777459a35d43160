import { err, ok } from 'neverthrow';
import type { PolicyTask } from '../policies/policy.ts';
import type { Processor } from './collector.ts';
import { BrokenSchemaError } from './errors.ts';
import { Payload } from './payload.ts';
import type { Checked, Soon, Validator } from './schema.ts';

/** What the schemas say of a payload: what a processor gets instead of it, or what is wrong. */
export type CheckedPayload = Soon<Checked<Payload>>;

/** A task that remembers what was found, so that its schemas are asked once. */
export interface CheckedTask extends PolicyTask {
  /** By all of its schemas; its further attempts know it too. */
  checked: CheckedPayload | undefined;
  /** By those of the topics; every task of the payload knows it. */
  checkedTopics: CheckedPayload | undefined;
}

/**
 * The schemas of topics. A payload is checked by those of its topics, in its order, each of them once, and each gets what
 * the one before made of the value. That is done once for a payload, whichever collectors take it.
 */
export class TopicCheck {
  readonly #validators: ReadonlyMap<string, Validator>;

  constructor(validators: ReadonlyMap<string, Validator>) {
    this.#validators = validators;
  }

  concerns({ topics }: Payload): boolean {
    return topics.some((topic) => this.#validators.has(topic));
  }

  check(payload: Payload, task: CheckedTask): CheckedPayload {
    return remembered(task, 'checkedTopics', () => this.#check(payload));
  }

  #check(payload: Payload): CheckedPayload {
    // Two topics may have one schema, which need not take what it has made.
    const bySchema = new Map<unknown, Validator>();
    for (const topic of payload.topics) {
      const validator = this.#validators.get(topic);
      if (validator !== undefined) bySchema.set(validator.schema, validator);
    }
    let checked: CheckedPayload = ok(payload);
    for (const validator of bySchema.values()) checked = then(checked, (made) => checkBy(validator, made));
    return checked;
  }
}

/** The processor behind the schemas of the topics and its own; as it is, if there are none. */
export function checkedProcessor(
  processor: Processor,
  topics: TopicCheck | undefined,
  own: Validator | undefined,
): Processor {
  if (topics === undefined && own === undefined) return processor;
  const check = (payload: Payload, task: CheckedTask): CheckedPayload => {
    const byTopics = topics?.concerns(payload) === true ? topics.check(payload, task) : ok(payload);
    return own === undefined ? byTopics : then(byTopics, (made) => checkBy(own, made));
  };
  return (payload, context, attempt) => {
    const task = attempt as CheckedTask;
    const checked = remembered(task, 'checked', () => check(payload, task));
    if (!(checked instanceof Promise)) {
      return checked.isOk() ? processor(checked.value, context, attempt) : checked;
    }
    return checked.then((later) => {
      if (later.isErr()) return later;
      // Meanwhile the attempt may have been given up; nobody would hear of what it does.
      const { signal } = attempt;
      return signal.aborted ? err(signal.reason) : processor(later.value, context, attempt);
    });
  };
}

/** What was found before, or is found now. What a schema failed to tell is not remembered: it is asked again. */
function remembered(
  task: CheckedTask,
  where: 'checked' | 'checkedTopics',
  check: () => CheckedPayload,
): CheckedPayload {
  const found = task[where] ?? check();
  if (!(found instanceof Promise)) {
    if (!isBroken(found)) task[where] = found;
    return found;
  }
  task[where] = found;
  void found.then((checked) => {
    if (task[where] === found) task[where] = isBroken(checked) ? undefined : checked;
  });
  return found;
}

function isBroken(checked: Checked<Payload>): boolean {
  return checked.isErr() && checked.error instanceof BrokenSchemaError;
}

function then(checked: CheckedPayload, next: (made: Payload) => CheckedPayload): CheckedPayload {
  if (checked instanceof Promise) return checked.then((later) => (later.isOk() ? next(later.value) : later));
  return checked.isOk() ? next(checked.value) : checked;
}

function checkBy(validator: Validator, payload: Payload): CheckedPayload {
  const checked = validator.check(payload.value);
  if (checked instanceof Promise) return checked.then((later) => later.map((value) => withValue(payload, value)));
  return checked.map((value) => withValue(payload, value));
}

/** The same payload with what a schema made of its value. */
function withValue(payload: Payload, value: unknown): Payload {
  if (Object.is(value, payload.value)) return payload;
  const { delivery, keys, topics, priority } = payload;
  return new Payload(value, {
    delivery,
    priority,
    ...(keys.length > 0 && { keys }),
    ...(topics.length > 0 && { topics }),
  }) as Payload;
}
