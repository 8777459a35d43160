import { type CollectorQueue, QueueEventName } from 'collector-queue';

/** The state diagram of a task, in queue events: what may come next. `new` stands for before the first. */
export const successors: Readonly<Record<string, readonly string[]>> = {
  new: ['scheduled', 'locked', 'started', 'expired', 'revoked', 'error-task'],
  scheduled: ['parked', 'error-task'],
  locked: ['parked', 'error-task'],
  parked: ['started', 'locked', 'expired', 'revoked', 'error-task'],
  started: ['finished', 'error-task', 'timeout', 'retrying'],
  timeout: ['retrying', 'error-task'],
  retrying: ['scheduled', 'parked', 'error-task'],
  expired: ['error-task'],
  revoked: ['error-task'],
  'error-task': ['dead-lettered'],
  finished: [],
  'dead-lettered': [],
};

/** The same for a payload as a whole; `tasks` stands for the events of its tasks. */
export const successorsOfPayload: Readonly<Record<string, readonly string[]>> = {
  new: ['enqueued', 'rejected'],
  enqueued: ['scheduled', 'tasks', 'revoked', 'dropped'],
  scheduled: ['tasks', 'revoked', 'dropped'],
  tasks: ['tasks', 'revoked'],
  rejected: [],
  revoked: [],
  dropped: [],
};

/** What the tests look at in a queue event, whichever it is. */
export interface Told {
  readonly status: string;
  readonly id: string;
  readonly task: string | undefined;
  readonly attempt: number | undefined;
  readonly executeTime: number | undefined;
  readonly error: unknown;
}

/** The queue events of a queue, checked against the diagrams as they come. */
export class TaskLog {
  /** What contradicts the diagrams. */
  readonly violations: string[] = [];
  /** Statuses that occurred, to see that the tests reach all of them. */
  static readonly transitions: Map<string, number> = new Map();
  /** By `id` for payloads, by `id/task` for tasks. */
  readonly #stories: Map<string, string[]> = new Map();
  readonly #due: Map<string, number> = new Map();

  constructor(queue: CollectorQueue, onTold: (told: Told) => void) {
    const names = Object.values(QueueEventName).filter(
      (name) => Object.hasOwn(successors, name) || Object.hasOwn(successorsOfPayload, name),
    );
    for (const name of names) {
      queue.events.on(name, (event) => {
        this.#add(event as unknown as Told);
        onTold(event as unknown as Told);
      });
    }
  }

  /** The latest event of a task, or of a payload. */
  latest(id: string, task?: string): string {
    return this.#stories.get(task === undefined ? id : `${id}/${task}`)?.at(-1) ?? 'new';
  }

  /** When the task is due, if it is parked. */
  due(id: string, task: string): number | undefined {
    return this.latest(id, task) === 'parked' ? this.#due.get(`${id}/${task}`) : undefined;
  }

  #add({ status, id, task, executeTime }: Told): void {
    if (task === undefined) {
      this.#step(id, successorsOfPayload, status);
      return;
    }
    this.#step(id, successorsOfPayload, 'tasks');
    this.#step(`${id}/${task}`, successors, status);
    if (executeTime !== undefined) this.#due.set(`${id}/${task}`, executeTime);
  }

  #step(key: string, diagram: Readonly<Record<string, readonly string[]>>, status: string): void {
    const story = this.#stories.get(key) ?? [];
    const before = story.at(-1) ?? 'new';
    if (diagram[before]?.includes(status) !== true) this.violations.push(`${[...story, status].join(' → ')}`);
    if (before !== 'tasks' || status !== 'tasks') story.push(status);
    this.#stories.set(key, story);
    const transition = `${diagram === successors ? 'task' : 'payload'}: ${before} → ${status}`;
    TaskLog.transitions.set(transition, (TaskLog.transitions.get(transition) ?? 0) + 1);
  }
}
