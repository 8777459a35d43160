import fc from 'fast-check';
import { expect } from 'vitest';
import type { Model, ModelEvent, Setup } from './model.ts';
import { ModelStep } from './step.ts';
import { endingOf, type Fault, faults, type System } from './system.ts';

/** One step of a queue: afterwards everything is compared. */
export class Step extends ModelStep<Model, System> {
  protected compare(model: Model, system: System): Promise<void> {
    return system.check(model);
  }
}

/** An element, chosen by any natural number. */
function pick<T>(from: readonly T[], choice: number): T {
  return from[choice % from.length] as T;
}

const atWork = (model: Model): ModelEvent[] => model.events.filter((event) => event.atWork.size > 0);
const choice = fc.nat({ max: 1_000 });
const priority = fc.constantFrom(0, 1, 1, 2, -5);
const fault = fc.constantFrom(...(Object.keys(faults) as Fault[]));

export const send: fc.Arbitrary<Step> = fc.array(priority, { minLength: 1, maxLength: 5 }).map(
  (priorities) =>
    new Step(`send ${priorities}`, (model, system) => {
      for (const one of priorities) system.send(model.send(one));
    }),
);

export const sendWhenReady: fc.Arbitrary<Step> = priority.map(
  (one) => new Step(`sendWhenReady ${one}`, (model, system) => system.sendWhenReady(model.sendWhenReady(one))),
);

export const abortSendWhenReady: fc.Arbitrary<Step> = choice.map(
  (which) =>
    new Step(
      `abort sendWhenReady ${which}`,
      async (model, system) => {
        const event = pick(model.roomWaiters, which);
        const pending = system.pending.get(event.id);
        pending?.abort.abort('changed my mind');
        await expect(pending?.sent).rejects.toBe('changed my mind');
        model.stopWaitingForRoom(event);
        model.settleDown();
      },
      // Ids are places in the list of events: only the last may be taken out.
      (model) =>
        model.roomWaiters.length > 0 && model.roomWaiters.every((event) => event.id === model.events.length - 1),
    ),
);

export const complete: fc.Arbitrary<Step> = fc.tuple(choice, choice, fault).map(
  ([which, collector, how]) =>
    new Step(
      `complete ${which} ${how}`,
      (model, system) => {
        const event = pick(atWork(model), which);
        const index = pick([...event.atWork], collector);
        system.finish(event.id, index, how);
        model.complete(event, index, endingOf(how));
      },
      (model) => atWork(model).length > 0,
    ),
);

export const cancel: fc.Arbitrary<Step> = choice.map(
  (which) =>
    new Step(
      `cancel ${which}`,
      (model, system) => {
        const event = pick(model.events, which);
        if (event.place === 'room') return;
        const signals = [...event.atWork].map((collector) => system.signalOf(event.id, collector));
        const settles = event.place !== 'settled';
        expect(system.handles.get(event.id)?.cancel('enough')).toBe(settles);
        model.cancel(event);
        if (settles) expect(signals.every((signal) => signal?.aborted === true)).toBe(true);
      },
      (model) => model.events.length > 0,
    ),
);

export const clear: fc.Arbitrary<Step> = fc.constant(
  new Step('clear', (model, system) => {
    const count = system.queue.clear();
    expect(count).toBe(model.waiting.length);
    model.clear();
  }),
);

export const pause: fc.Arbitrary<Step> = fc.constant(
  new Step('pause', (model, system) => {
    system.queue.pause();
    model.pause();
  }),
);

export const resume: fc.Arbitrary<Step> = fc.constant(
  new Step('resume', (model, system) => {
    system.queue.resume();
    model.resume();
  }),
);

export const advance: fc.Arbitrary<Step> = fc
  .integer({ min: 1, max: 3_000 })
  .map((time) => new Step(`advance ${time}`, (_model, system) => system.clock.advance(time)));

/** Everything that can be done to a queue that is up. */
export const anything: readonly fc.Arbitrary<Step>[] = [
  send,
  send,
  complete,
  complete,
  complete,
  sendWhenReady,
  abortSendWhenReady,
  cancel,
  clear,
  pause,
  resume,
  resume,
  advance,
];

export const setups: fc.Arbitrary<Setup> = fc
  .record({
    queueType: fc.constantFrom('fifo', 'lifo', 'priority'),
    maxConsumers: fc.integer({ min: 1, max: 4 }),
    minConsumers: fc.integer({ min: 1, max: 2 }),
    maxSize: fc.constantFrom(Number.POSITIVE_INFINITY, 0, 1, 3),
    overflow: fc.constantFrom('reject', 'dropOldest'),
    collectors: fc.integer({ min: 1, max: 3 }),
  })
  .map((setup): Setup => ({ ...setup, minConsumers: Math.min(setup.minConsumers, setup.maxConsumers) }));
