import { Collector, type CollectorEvent, CollectorQueue, Payload, QueueEventName, ResultList } from 'collector-queue';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

const numRuns = Number(process.env.FC_RUNS ?? 100);

/** What a processor or a listener does to the queue that called it. */
const acts = [
  'send',
  'sendWhenReady',
  'cancel own',
  'cancel other',
  'clear',
  'pause and resume',
  'throw',
  'nothing',
] as const;
type Act = (typeof acts)[number];

/** A payload: what its processor does, and which payloads it sends in turn. */
interface Plan {
  readonly before: Act;
  readonly after: Act;
  readonly asynchronous: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  before: fc.constantFrom(...acts),
  after: fc.constantFrom(...acts),
  asynchronous: fc.boolean(),
});

/** Runs plans on a queue; every payload that anybody sends is remembered. */
class Playground {
  readonly events: CollectorEvent[] = [];
  readonly waits: Promise<unknown>[] = [];
  readonly queue: CollectorQueue;
  readonly #listenerActs: Act[];
  #budget = 60;

  constructor(maxConsumers: number, listenerActs: Act[]) {
    this.#listenerActs = listenerActs;
    const collector = new Collector('c', (payload: Payload<Plan>) => this.#process(payload.value));
    this.queue = new CollectorQueue([collector], { maxConsumers, clock: new ManualClock() });
    const names = [QueueEventName.STARTED, QueueEventName.FINISHED, QueueEventName.ENQUEUED, QueueEventName.IDLE];
    for (const name of names) this.queue.events.on(name, () => this.#act(this.#listenerActs.pop() ?? 'nothing'));
    this.queue.events.on(QueueEventName.ERROR_INTERNAL, () => undefined);
  }

  send(value: Plan): void {
    this.#keep(this.queue.getPublisher().send(new Payload(value)));
  }

  /** Resolves once nothing is left to do: a listener that is told of the end may send again, a wait for room may end later. */
  async quiet(): Promise<void> {
    let seen: number;
    do {
      seen = this.events.length;
      await this.queue.onIdle();
      await Promise.all(this.waits);
    } while (this.events.length > seen || this.queue.getMetrics().inFlight > 0);
  }

  #process(value: Plan): unknown {
    this.#act(value.before);
    if (!value.asynchronous) {
      this.#act(value.after);
      return 1;
    }
    return Promise.resolve().then(() => this.#act(value.after));
  }

  #act(act: Act): void {
    if (this.#budget-- <= 0) return;
    const sent: Plan = { before: 'nothing', after: 'nothing', asynchronous: this.#budget % 2 === 0 };
    switch (act) {
      case 'send':
        this.send(sent);
        return;
      case 'sendWhenReady':
        this.waits.push(
          this.queue
            .getPublisher()
            .sendWhenReady(new Payload(sent))
            .then((event) => this.#keep(event)),
        );
        return;
      case 'cancel own':
        this.events.findLast((event) => event.status === 'running')?.cancel();
        return;
      case 'cancel other':
        this.events.find((event) => event.status === 'waiting')?.cancel();
        return;
      case 'clear':
        this.queue.clear();
        return;
      case 'pause and resume':
        this.queue.pause();
        this.queue.resume();
        return;
      case 'throw':
        throw new Error('from inside');
      case 'nothing':
    }
  }

  #keep(event: CollectorEvent): void {
    this.events.push(event);
  }
}

describe('whatever is done to a queue,', () => {
  test('10: processors and listeners may send, cancel, clear and throw, with one consumer too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 1, 2, 5),
        fc.array(plan, { minLength: 1, maxLength: 8 }),
        fc.array(fc.constantFrom(...acts), { maxLength: 12 }),
        async (maxConsumers, plans, listenerActs) => {
          const playground = new Playground(maxConsumers, [...listenerActs]);
          await playground.queue.initQueue();
          for (const one of plans) playground.send(one);
          await playground.quiet();
          for (const event of playground.events) expect(event.getResult()).toBeInstanceOf(ResultList);
          const metrics = playground.queue.getMetrics();
          expect(metrics).toMatchObject({ qsize: 0, busy: 0, inFlight: 0, accepted: metrics.settled });
          expect(metrics.offered).toBe(playground.events.length);
          await playground.queue.shutDownQueue();
        },
      ),
      { numRuns },
    );
  }, 300_000);
});
