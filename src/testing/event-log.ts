import { type QueueEventMap, QueueEventName } from '../queue-events/names.ts';
import type { QueueEvents } from '../queue-events/queue-events.ts';

/** Any queue event. */
type AnyQueueEvent = QueueEventMap[QueueEventName];

/** What becomes a process warning, or is logged, where nobody listens. */
const TROUBLE: ReadonlySet<QueueEventName> = new Set([
  QueueEventName.ERROR_INTERNAL,
  QueueEventName.ERROR_ENQUEUEING,
  QueueEventName.ERROR_SCHEDULING,
]);

/** Every queue event, in the order in which they were told. */
export class EventLog {
  readonly #events: QueueEvents;
  readonly #told: (event: AnyQueueEvent) => void;
  readonly #unheard: (source: string, error: unknown) => void;
  #records: AnyQueueEvent[] = [];

  /**
   * @param told - called after each was recorded
   * @param unheard - told of trouble that nobody but the kit listens for: a log must not hide it
   */
  constructor(
    events: QueueEvents,
    told: (event: AnyQueueEvent) => void,
    unheard: (source: string, error: unknown) => void,
  ) {
    this.#events = events;
    this.#told = told;
    this.#unheard = unheard;
    for (const name of Object.values(QueueEventName)) events.on(name, this.#record);
  }

  /** Those of one name, or all. */
  of<N extends QueueEventName>(name: N | undefined): QueueEventMap[N][] {
    return this.#records.filter(({ status }) => name === undefined || status === name) as QueueEventMap[N][];
  }

  clear(): void {
    this.#records = [];
  }

  readonly #record = (event: AnyQueueEvent): void => {
    this.#records.push(event);
    if (TROUBLE.has(event.status) && this.#events.listenerCount(event.status) === 1) {
      const { source, error } = event as QueueEventMap['error-internal'];
      this.#unheard(source, error);
    }
    this.#told(event);
  };
}
