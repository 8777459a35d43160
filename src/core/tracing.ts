import type { Channel, TracingChannel } from 'node:diagnostics_channel';
import type { Delivery } from './delivery.ts';
import type { CollectorEvent } from './event.ts';
import type { Payload } from './payload.ts';

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

/** A payload that a call serves beside the one that it is told of. */
export interface TaskCompanion {
  /** The id of the event that the sender holds. */
  readonly eventId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Of the send, where payloads have them. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** What its own `Err` holds, once there is one. */
  error?: unknown;
}

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
  /** The other payloads that this call serves too, where the collector takes them in batches. */
  readonly company: readonly TaskCompanion[];
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
  /** The headers that the send was given, before they are checked: they may be anything. */
  readonly given: unknown;
  /** The event of the send, or the events. */
  result?: CollectorEvent | readonly CollectorEvent[];
  /** What the send threw. */
  error?: unknown;
}

/** Whether somebody subscribes to one of the messages of a channel now. */
export function isWatched(channel: TracingChannel<any, any>): boolean {
  const { start, end, asyncStart, asyncEnd, error } = channel as unknown as Record<string, Channel | undefined>;
  return [start, end, asyncStart, asyncEnd, error].some((message) => message?.hasSubscribers === true);
}

/** What is told of a payload. */
export function deliveryOf({ delivery, keys, topics, priority }: Payload): TracedDelivery {
  return { delivery, keys: [...keys], topics: [...topics], priority };
}
