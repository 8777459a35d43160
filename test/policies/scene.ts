import {
  Collector,
  type CollectorOptions,
  type QueueEventMap,
  QueueEventName,
  type QueueOptions,
} from 'collector-queue';
import { type Gate, gate, type Scene, started } from '../core/scene.ts';

type Call = Parameters<Collector['processor']>;

/** One collector "a" whose calls are recorded. */
export interface CalledScene extends Scene {
  readonly called: unknown[];
}

/** A queue with one collector "a", and one consumer unless told otherwise. */
export async function oneCollector(
  processor: (value: unknown, attempt: Call[2]) => unknown,
  options: CollectorOptions = {},
  queueOptions: Omit<QueueOptions, 'clock'> = {},
): Promise<CalledScene> {
  const called: unknown[] = [];
  const collector = new Collector(
    'a',
    ({ value }, _, attempt) => {
      called.push(value);
      return processor(value, attempt);
    },
    options,
  );
  return { ...(await started([collector], { maxConsumers: 1, ...queueOptions })), called };
}

/** A processor whose calls end by hand. */
export interface Hanging {
  readonly process: (value: unknown, attempt: Call[2]) => Promise<unknown>;
  /** One for each call, in order. */
  readonly gates: Gate<unknown>[];
  readonly attempts: Call[2][];
  /** Ends the call that began first, of those that have not ended. */
  end(value?: unknown): void;
}

export function hanging(): Hanging {
  const gates: Gate<unknown>[] = [];
  const attempts: Call[2][] = [];
  let ended = 0;
  return {
    gates,
    attempts,
    process: (_, attempt) => {
      attempts.push(attempt);
      const end = gate<unknown>();
      gates.push(end);
      return end.promise;
    },
    end: (value) => gates[ended++]?.open(value),
  };
}

/** Records what a queue tells from now on: all events, or those with these names. */
export function recorded<N extends QueueEventName = QueueEventName>(
  { queue }: Pick<Scene, 'queue'>,
  names: readonly N[] = Object.values(QueueEventName) as N[],
): QueueEventMap[N][] {
  const events: QueueEventMap[N][] = [];
  for (const name of names) queue.events.on(name, (event) => events.push(event));
  return events;
}
