import { Collector, type CollectorEvent, Payload, type ResultList } from 'collector-queue';
import { BullMQCollectorQueue, type BullMQQueueOptions } from 'collector-queue/bullmq';
import { answerOf, taskOf, timeNow, type Work } from './errand.ts';

export const SILENT = { info() {}, warn() {}, error() {} };

/** What a send is, as long as it is of interest. */
interface Sent {
  readonly work: Work;
  readonly keys: readonly string[];
  readonly at: number;
}

/** Sends work from this process, and notes what Redis acknowledged, what was refused, and what was answered. */
export class Loader {
  /** Tasks that Redis has acknowledged. */
  readonly acked: Set<string> = new Set();
  /** How long each send that failed took to do so, in milliseconds. */
  readonly refusals: number[] = [];
  /** The names of the errors that sends failed with, and how often. */
  readonly refusedWith: Map<string, number> = new Map();
  /** When Redis acknowledged last, on the clock of `timeNow`. */
  ackedAt = 0;
  /** Answers that were waited for. */
  answered = 0;
  /** What is wrong with others: hung, wrong, or lost though Redis had it. */
  readonly badAnswers: string[] = [];
  readonly #queue: BullMQCollectorQueue;
  readonly #keys: readonly string[];
  readonly #sent: Map<string, Sent> = new Map();
  readonly #waits: Promise<void>[] = [];
  readonly #ackWaiters: (() => void)[] = [];
  #next: number;

  /** @param first - the id of its first work */
  constructor(keys: readonly string[], options: BullMQQueueOptions, first = 0) {
    this.#keys = keys;
    this.#next = first;
    const elsewhere = (): never => {
      throw new Error('it runs elsewhere');
    };
    const collectors = keys.map((key) => new Collector(key, elsewhere));
    this.#queue = new BullMQCollectorQueue(collectors, { logger: SILENT, ...options, role: 'publisher' });
    this.#queue.events.on('enqueued', ({ id }) => this.#settled(id, (sent) => this.#ack(sent)));
    this.#queue.events.on('rejected', ({ id, error }) => this.#settled(id, (sent) => this.#refuse(sent, error)));
  }

  /** Tasks of sends of which neither is known, that they were acknowledged or that they failed. */
  get open(): number {
    return this.#sent.size;
  }

  /** Jobs that wait for Redis in this process. */
  get held(): number {
    return this.#queue.size;
  }

  get queue(): BullMQCollectorQueue {
    return this.#queue;
  }

  start(): Promise<void> {
    return this.#queue.initQueue();
  }

  stop(timeout = 5_000): Promise<void> {
    return this.#queue.shutDownQueue({ timeout });
  }

  /** Sends one piece of work. */
  send(
    work: Omit<Work, 'id'>,
    { keys = [this.#keys[0] as string], delay }: { readonly keys?: readonly string[]; readonly delay?: number } = {},
  ): CollectorEvent {
    const made = { id: this.#next++, ...work };
    const payload = new Payload(made, { keys: [...keys] });
    const at = timeNow();
    const event = this.#queue.getPublisher().send(payload, delay === undefined ? {} : { delay });
    this.#sent.set(event.id, { work: made, keys, at });
    return event;
  }

  /** Sends one piece of work and sees to it that the answer is right, unless the send fails. */
  ask(work: Omit<Work, 'id'>, keys?: readonly string[]): void {
    const event = this.send(work, keys === undefined ? {} : { keys });
    const { work: made, keys: asked } = this.#sent.get(event.id) as Sent;
    const right = answerOf(made);
    const read = (list: ResultList): void => {
      const wrong = list.oks().length !== asked.length || list.oks().some((answer) => answer !== right);
      const known = asked.some((key) => this.acked.has(taskOf(key, made.id)));
      if (!wrong) this.answered++;
      else if (known) this.badAnswers.push(`${made.id}: ${list.errs().map(String).join(', ')}`);
    };
    this.#waits.push(
      event.wait({ timeout: 120_000 }).then(read, (error) => void this.badAnswers.push(`${made.id}: ${error}`)),
    );
  }

  /** Resolves to the time of the next acknowledgement. */
  async nextAck(): Promise<number> {
    await new Promise<void>((resolve) => this.#ackWaiters.push(resolve));
    return timeNow();
  }

  /** Resolves once all that was asked is answered. */
  async allAnswered(): Promise<void> {
    await Promise.all(this.#waits);
  }

  #settled(id: string, told: (sent: Sent) => void): void {
    const sent = this.#sent.get(id);
    if (sent !== undefined) told(sent);
    this.#sent.delete(id);
  }

  #ack({ work, keys }: Sent): void {
    this.ackedAt = timeNow();
    for (const key of keys) this.acked.add(taskOf(key, work.id));
    for (const resolve of this.#ackWaiters.splice(0)) resolve();
  }

  #refuse({ at }: Sent, error: unknown): void {
    this.refusals.push(timeNow() - at);
    const { name } = error as Error;
    this.refusedWith.set(name, (this.refusedWith.get(name) ?? 0) + 1);
  }
}
