import type { ConsumerPool } from '../pool/consumer-pool.ts';
import type { LoadMeter } from '../pool/load-meter.ts';
import type { QueueEventSource } from '../queue-events/queue-events.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Timers } from '../schedule/timers.ts';
import type { QueuedEvent } from './event.ts';
import type { KeptResults } from './kept-results.ts';
import type { Ledger } from './ledger.ts';
import type { QueueSettings } from './options.ts';
import type { Scheduled } from './scheduled.ts';
import type { TaskPlanner } from './task-planner.ts';

/** What a dispatcher works with. */
export interface DispatcherParts {
  readonly settings: QueueSettings;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly meter: LoadMeter;
  readonly events: QueueEventSource;
  readonly pool: ConsumerPool<QueuedEvent>;
  readonly timers: Timers;
  readonly planner: TaskPlanner;
  readonly scheduled: Scheduled;
  readonly kept: KeptResults | undefined;
  /** Called when everything accepted has settled and no consumer is busy. */
  readonly onIdle: () => void;
}
