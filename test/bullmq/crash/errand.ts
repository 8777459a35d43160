import type { BullMQQueueOptions } from 'collector-queue/bullmq';

/** What a worker process is to do. */
export interface Errand {
  /** The keys of its collectors. */
  readonly keys: readonly string[];
  /** The file in which it notes what it does. */
  readonly log: string;
  /** Of its queue; plain JSON. */
  readonly options: BullMQQueueOptions;
}

/** What a payload of a campaign asks for. */
export interface Work {
  readonly id: number;
  /** How long it takes, in milliseconds. */
  readonly takes: number;
  /** How it ends the process that works on it. */
  readonly deadly?: 'exit' | 'kill';
}

/** What comes of it. */
export function answerOf({ id }: Work): string {
  return ((id * 2_654_435_761) % 4_294_967_291).toString(36);
}

/** The name of the work of one collector in the log. */
export function taskOf(key: string, id: number): string {
  return `${key}/${id}`;
}

/** Tells a worker process to shut its queue down. */
export interface StopOrder {
  readonly stop: { readonly timeout: number };
}

/** What a worker process says: it takes jobs; it has shut down, in so many milliseconds. */
export type Word = 'working' | { readonly stopped: number };

/** The time on a clock that all processes of a machine share, in milliseconds. */
export function timeNow(): number {
  return performance.timeOrigin + performance.now();
}
