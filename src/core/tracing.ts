import { type Channel, tracingChannel } from 'node:diagnostics_channel';
import type { Attempt, Processor } from './collector.ts';
import type { Delivery } from './delivery.ts';
import type { CollectorEvent } from './event.ts';
import type { Payload } from './payload.ts';
import { promiseOf } from './promise-of.ts';
import type { Sender } from './publisher.ts';
import { toResult } from './results.ts';
import type { SendOptions } from './task-options.ts';

/** The names of the tracing channels of `node:diagnostics_channel`. */
export const TracingChannelName = {
  /** An attempt: from the call of a processor to the end of its work. */
  TASK: 'collector-queue:task',
  /** A send, of one payload or of several. */
  SEND: 'collector-queue:send',
} as const;
export type TracingChannelName = (typeof TracingChannelName)[keyof typeof TracingChannelName];

/** How a payload is delivered. Its value is told to nobody. */
interface TracedDelivery {
  readonly delivery: Delivery;
  readonly keys: readonly string[];
  readonly topics: readonly string[];
  readonly priority: number | undefined;
}

/** Where the collectors run. */
export type TracedEngine = 'in-process' | 'bullmq';

/** The context of `collector-queue:task`: one object for all messages of an attempt. */
export interface TaskTrace extends TracedDelivery {
  readonly engine: TracedEngine;
  readonly collectorKey: string;
  /** The id of the event that the sender holds. */
  readonly eventId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Of the send, where payloads have them. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** What the `Ok` holds, once there is one. */
  result?: unknown;
  /** What the `Err` holds, or what was thrown. */
  error?: unknown;
}

/** The context of `collector-queue:send`. */
export interface SendTrace extends Partial<TracedDelivery> {
  readonly engine: TracedEngine;
  /** How many payloads; only of one alone is told how it is delivered. */
  readonly count: number;
  /** A subscriber of `start` may add some: they go with the payloads where payloads have headers. Those of the send win. */
  readonly headers: Record<string, string>;
  /** The event of the send, or the events. */
  result?: CollectorEvent | readonly CollectorEvent[];
  /** What the send threw. */
  error?: unknown;
}

const tasks = tracingChannel<TaskTrace, TaskTrace>(TracingChannelName.TASK);
const sends = tracingChannel<SendTrace, SendTrace>(TracingChannelName.SEND);
const nativeThen = Promise.prototype.then;

/** Processors whose attempts, and the sends to which, are told by others. */
const told: WeakSet<Processor> = new WeakSet();

type Channels = Record<'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error', Channel>;

function isWatched({ start, end, asyncStart, asyncEnd, error }: Channels): boolean {
  return [start, end, asyncStart, asyncEnd, error].some(({ hasSubscribers }) => hasSubscribers);
}

/** Whether somebody subscribes to the attempts now. */
export function tasksAreWatched(): boolean {
  return isWatched(tasks as Channels);
}

/** A queue all of whose processors are of this kind tells nothing by itself: it is a part of another one. */
export function toldElsewhere(processor: Processor): Processor {
  told.add(processor);
  return processor;
}

export function isToldElsewhere(processor: Processor): boolean {
  return told.has(processor);
}

/** The processor, with each attempt told to the subscribers. */
export function tracedProcessor(processor: Processor, key: string, engine: TracedEngine): Processor {
  return (payload, context, attempt) => {
    if (!tasksAreWatched()) return processor(payload, context, attempt);
    const trace = traceOf(payload, key, attempt, engine);
    return tasks.start.runStores(trace, () => {
      let promise: Promise<unknown> | undefined;
      try {
        const returned: unknown = processor(payload, context, attempt);
        promise = promiseOf(returned);
        if (promise === undefined) ended(trace, returned);
        else
          nativeThen.call(
            promise,
            (value) => endedLater(trace, value),
            (reason) => failedLater(trace, reason),
          );
        return promise ?? returned;
      } catch (thrown) {
        failed(trace, thrown);
        throw thrown;
      } finally {
        tasks.end.publish(trace);
      }
    });
  };
}

/** The sender, with each send told to the subscribers, if there are any now. */
export function tracedSender(sender: Sender, engine: TracedEngine): Sender {
  if (!isWatched(sends as Channels)) return sender;
  const options = (given: SendOptions | undefined, trace: SendTrace): SendOptions | undefined =>
    Object.keys(trace.headers).length === 0 ? given : { ...given, headers: { ...trace.headers, ...given?.headers } };
  const sendOne = (payload: Payload, given?: SendOptions): CollectorEvent =>
    traceSend([payload], engine, (trace) => {
      const all = options(given, trace);
      return all === undefined ? sender.send(payload) : sender.sendWith(payload, all);
    });
  const sendAll = (payloads: readonly Payload[], given?: SendOptions): CollectorEvent[] =>
    traceSend(payloads, engine, (trace) => {
      const all = options(given, trace);
      if (all !== undefined) return sender.sendManyWith(payloads, all);
      return sender.sendMany?.(payloads) ?? payloads.map((payload) => sender.send(payload));
    });
  return {
    send: sendOne,
    sendWith: sendOne,
    sendMany: sendAll,
    sendManyWith: sendAll,
    sendWhenReady: (payload, given) =>
      traceSend([payload], engine, (trace) => sender.sendWhenReady(payload, options(given, trace) ?? given)),
    ready: () => sender.ready(),
  };
}

function traceSend<R extends CollectorEvent | CollectorEvent[] | Promise<CollectorEvent>>(
  payloads: readonly Payload[],
  engine: TracedEngine,
  send: (trace: SendTrace) => R,
): R {
  const [only] = payloads;
  const delivery = payloads.length === 1 && only !== undefined ? deliveryOf(only) : {};
  const trace: SendTrace = { engine, count: payloads.length, ...delivery, headers: {} };
  return sends.start.runStores(trace, () => {
    try {
      const sent = send(trace);
      if (sent instanceof Promise) followSend(sent, trace);
      else trace.result = sent as Exclude<R, Promise<CollectorEvent>>;
      return sent;
    } catch (thrown) {
      trace.error = thrown;
      sends.error.publish(trace);
      throw thrown;
    } finally {
      sends.end.publish(trace);
    }
  });
}

function followSend(sent: Promise<CollectorEvent>, trace: SendTrace): void {
  const over = (): void => {
    sends.asyncStart.publish(trace);
    sends.asyncEnd.publish(trace);
  };
  sent.then(
    (event) => {
      trace.result = event;
      over();
    },
    (reason) => {
      trace.error = reason;
      sends.error.publish(trace);
      over();
    },
  );
}

function traceOf(payload: Payload, key: string, attempt: Attempt, engine: TracedEngine): TaskTrace {
  const { eventId, number, headers } = attempt;
  return { engine, collectorKey: key, eventId, attempt: number, ...deliveryOf(payload), headers };
}

function deliveryOf({ delivery, keys, topics, priority }: Payload): TracedDelivery {
  return { delivery, keys: [...keys], topics: [...topics], priority };
}

function ended(trace: TaskTrace, value: unknown): void {
  const result = toResult(value, trace.collectorKey);
  if (result.isErr()) failed(trace, result.error);
  else trace.result = result.value;
}

function failed(trace: TaskTrace, error: unknown): void {
  trace.error = error;
  tasks.error.publish(trace);
}

function endedLater(trace: TaskTrace, value: unknown): void {
  ended(trace, value);
  tasks.asyncStart.publish(trace);
  tasks.asyncEnd.publish(trace);
}

function failedLater(trace: TaskTrace, reason: unknown): void {
  failed(trace, reason);
  tasks.asyncStart.publish(trace);
  tasks.asyncEnd.publish(trace);
}
