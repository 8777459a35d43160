import { getEventListeners } from 'node:events';
import { expect } from 'vitest';
import type { Sent } from './policies-model.ts';
import { explain } from './policies-rules.ts';
import type { PolicySystem } from './policies-system.ts';

/** Lets everything happen that can by itself, then compares. */
export async function check(system: PolicySystem): Promise<void> {
  await system.clock.advance(0);
  readResults(system);
  if (system.log !== undefined) system.violations.push(...system.log.violations);
  if (system.violations.length > 0) expect(system.violations).toEqual([]);
  checkCounts(system);
  checkTimers(system);
  checkSignals(system);
  system.stillPaused = system.paused;
}

function checkCounts(system: PolicySystem): void {
  const { offered, accepted, rejected, qsize, inFlight, parked, scheduled, settled, busy, abandoned, late } =
    system.queue.getMetrics();
  const sents = system.sents.filter(({ handle }) => handle !== undefined);
  const taken = sents.filter((sent) => !sent.rejected);
  const count = (status: string): number => taken.filter(({ handle }) => handle?.status === status).length;
  const { maxConsumers } = system.setup;
  same(
    {
      sums: [accepted, offered],
      qsize,
      inFlight,
      parked,
      scheduled,
      settled,
      busy,
      abandoned,
      late,
      offered,
      rejected,
    },
    {
      sums: [qsize + inFlight + parked + settled, accepted + rejected],
      qsize: count('waiting'),
      inFlight: count('running'),
      parked: count('parked') + count('scheduled'),
      scheduled: count('scheduled'),
      settled: count('settled'),
      busy: sents.reduce((sum, sent) => sum + sent.busy, 0),
      abandoned: sents.reduce((sum, sent) => sum + sent.left, 0),
      late: system.late,
      offered: sents.length,
      rejected: sents.length - taken.length,
    },
  );
  same(
    system.queue.isSaturated,
    system.queue.consumerCount > 0 && abandoned > Math.min(system.setup.maxAbandoned, system.setup.maxConsumers - 1),
  );
  if (busy > maxConsumers) expect(busy).toBeLessThanOrEqual(maxConsumers);
  if (!system.paused && qsize > 0 && busy < maxConsumers)
    expect({ qsize, busy }).toEqual({ qsize, busy: maxConsumers });
  const { log, letters, deadLettered, deadLettersDue } = system;
  if (log !== undefined) same([letters.length, deadLettered], [deadLettersDue, deadLettersDue]);
  for (const sent of taken) {
    same([sent.id, sent.handle?.status], [sent.id, statusOf(system, sent, sent.handle?.status)]);
    same([sent.id, sent.settlements], [sent.id, sent.handle?.status === 'settled' ? 1 : 0]);
    checkParked(system, sent, busy === maxConsumers);
  }
}

/** Where an event should stand, as far as that is known without asking. */
function statusOf(system: PolicySystem, sent: Sent, seen: string | undefined): string | undefined {
  if (sent.settled) return 'settled';
  if (sent.active > 0) return 'running';
  if (system.clock.now() < (sent.dueAt as number)) return 'scheduled';
  if (system.log === undefined) return seen === 'waiting' || seen === 'parked' ? seen : 'waiting or parked';
  return system.log.latest(sent.handle?.id as string) === 'tasks' ? 'parked' : 'waiting';
}

/** A parked task that is due has come back, unless every consumer is busy. */
function checkParked(system: PolicySystem, sent: Sent, allBusy: boolean): void {
  if (system.log === undefined || sent.settled) return;
  for (let index = 0; index < system.setup.collectors.length; index++) {
    const due = system.log.due(sent.handle?.id as string, `c${index}`);
    const ended = system.setup.collectors[index]?.signal === true && system.controllers[index]?.signal.aborted === true;
    // One that is due waits for a consumer, and is refused when it finds one.
    if (ended && due !== undefined && due > system.clock.now())
      expect(`task ${sent.id}/${index} is parked, but its signal has fired`).toBe('');
    if (due === undefined || due > system.clock.now() - 1e-6) continue;
    const mayWait = sent.active === 0 && (allBusy || system.paused);
    if (!mayWait) expect(`task ${sent.id}/${index}, due at ${due}, is parked at ${system.clock.now()}`).toBe('');
  }
}

/** No attempt goes on beyond its time limit. */
function checkTimers(system: PolicySystem): void {
  for (const { sent, collector, state, begunAt } of system.works) {
    if (state !== 'going' || sent.settled) continue;
    const end = begunAt + system.timeoutOf(sent, collector);
    if (end <= system.clock.now()) expect(`${sent.id}/${collector} goes on after ${end}`).toBe('');
  }
}

function checkSignals(system: PolicySystem): void {
  for (const { order, controller, isOpen, id } of system.sents) {
    if (order.signal === 'given') same([id, listeners(controller)], [id, isOpen ? 1 : 0]);
  }
  const needed = system.sents.some(({ order, isOpen }) => order.signal === 'shared' && isOpen);
  same(['shared', listeners(system.shared)], ['shared', needed ? 1 : 0]);
  for (const [index, controller] of system.controllers.entries()) {
    const underWay = system.sents.some(({ isOpen, works }) => {
      return isOpen || works.get(index)?.some(({ state }) => state !== 'over');
    });
    const most = underWay && !controller.signal.aborted ? 1 : 0;
    if (listeners(controller) > most) same([index, listeners(controller)], [index, most]);
  }
}

/** Looks at what has settled since; every result must have a reason. */
function readResults(system: PolicySystem): void {
  for (const sent of system.sents) {
    const list = sent.handle?.getResult();
    if (list !== sent.handle?.getResult()) system.violations.push('getResult gave two lists');
    if (sent.list !== undefined && list !== sent.list) system.violations.push(`results of ${sent.id} changed`);
    if (list === undefined || sent.list !== undefined) continue;
    system.noteDrop(sent);
    sent.list = list;
    if (!sent.rejected) system.violations.push(...explain(system, sent, list));
  }
}

export function listeners({ signal }: AbortController): number {
  return getEventListeners(signal, 'abort').length;
}

/** A quick look first: the matcher's words are needed only where there is something to say. */
export function same(seen: unknown, wanted: unknown): void {
  if (JSON.stringify(seen) !== JSON.stringify(wanted)) expect(seen).toEqual(wanted);
}
