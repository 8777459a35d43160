import type { Result } from 'neverthrow';
import type { Attempt, Processor } from '../core/collector.ts';
import type { Payload } from '../core/payload.ts';
import { promiseOf } from '../core/promise-of.ts';
import { failureOf, toResult } from '../core/results.ts';
import { batchLedBy } from '../policies/batch.ts';
import type { PolicyTask } from '../policies/policy.ts';

/**
 * One call of a collector's processor: a payload that was handed to it, or the same one again for another attempt.
 *
 * @typeParam V - the value of the payload
 */
export interface SentRecord<V = any> {
  /** The key of the collector. */
  readonly collectorKey: string;
  /** The value of the payload: the very one, not a copy. */
  readonly value: V;
  readonly payload: Payload<V>;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** The id of the event that the sender holds. */
  readonly eventId: string;
  /** When it was called, in milliseconds on the clock of the kit. */
  readonly at: number;
  /**
   * What the attempt has brought, as the queue sees it: what was thrown is an `Err(ProcessorError)`. Undefined while it
   * goes on.
   */
  readonly result: Result<unknown, unknown> | undefined;
}

type OpenRecord = { -readonly [Field in keyof SentRecord]: SentRecord[Field] };

/** More calls than that without a turn of the event loop are taken for a circle that has no end. */
const MOST_CALLS = 50_000;

const nextTurn = globalThis.setImmediate;

/** Every call of the processors, and what became of it. */
export class CallLog {
  /** Processors that are being called right now, synchronously. */
  onStack = 0;
  /** Told when a call has ended. */
  ended: () => void = () => undefined;
  /** Told of a circle without an end: the key of the collector whose call was one too many. */
  runaway: (collectorKey: string) => void = () => undefined;
  readonly #now: () => number;
  readonly #underWay: Set<SentRecord> = new Set();
  #records: SentRecord[] = [];
  #callsThisTurn = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get records(): readonly SentRecord[] {
    return this.#records;
  }

  /** Calls that have not ended; also of events that have settled. */
  get underWay(): readonly SentRecord[] {
    return [...this.#underWay];
  }

  clear(): void {
    this.#records = [];
  }

  /**
   * A processor that does what the present one does, and is recorded.
   *
   * @param present - gives the processor to call, each time
   */
  recording(collectorKey: string, present: () => Processor): Processor {
    return (payload, context, attempt) => {
      const record = this.#beginAll(collectorKey, payload, attempt);
      this.onStack++;
      try {
        const returned: unknown = present()(payload, context, attempt);
        // What is thenable is asked for its outcome once, here: a lazy one would do its work again for the queue.
        const promise = promiseOf(returned);
        if (promise === undefined) this.#end(record, toResult(returned, collectorKey));
        else this.#follow(record, promise);
        return promise ?? returned;
      } catch (thrown) {
        this.#end(record, failureOf(collectorKey, thrown));
        throw thrown;
      } finally {
        this.onStack--;
      }
    };
  }

  /** The call may be that of a batch, which is an attempt for each of its payloads. Gives the record of this attempt. */
  #beginAll(collectorKey: string, payload: Payload, attempt: Attempt): OpenRecord {
    const batch = batchLedBy(attempt);
    this.#count(collectorKey);
    if (batch === undefined) return this.#begin(collectorKey, payload, attempt);
    const records = new Map([...batch.items].map(([task, item]) => [task, this.#begin(collectorKey, item, task)]));
    batch.onComplete = (resultOf) => {
      for (const [task, record] of records) if (task !== attempt) this.#end(record, resultOf(task));
    };
    return records.get(batch.leader as PolicyTask) as OpenRecord;
  }

  #begin(collectorKey: string, payload: Payload, attempt: Attempt): OpenRecord {
    const record: OpenRecord = {
      collectorKey,
      value: payload.value,
      payload,
      attempt: attempt.number,
      eventId: attempt.eventId,
      at: this.#now(),
      result: undefined,
    };
    this.#records.push(record);
    this.#underWay.add(record);
    return record;
  }

  /** Hears of the end before the queue does: this is the first reaction. */
  #follow(record: OpenRecord, promise: Promise<unknown>): void {
    const { collectorKey } = record;
    promise.then(
      (value) => this.#end(record, toResult(value, collectorKey)),
      (thrown) => this.#end(record, failureOf(collectorKey, thrown)),
    );
  }

  #end(record: OpenRecord, result: Result<unknown, unknown>): void {
    record.result = result;
    this.#underWay.delete(record);
    this.ended();
  }

  #count(collectorKey: string): void {
    if (++this.#callsThisTurn === 1) {
      nextTurn(() => {
        this.#callsThisTurn = 0;
      });
    } else if (this.#callsThisTurn > MOST_CALLS) {
      this.runaway(collectorKey);
    }
  }
}
