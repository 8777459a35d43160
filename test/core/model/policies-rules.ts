import { ErrorCode, type Result, type ResultList } from 'collector-queue';
import { type CollectorSetup, codeOf, LATER, type Sent, type Work } from './policies-model.ts';
import type { PolicySystem } from './policies-system.ts';

/** Why this attempt may not begin now. */
export function objections(system: PolicySystem, work: Work): string[] {
  const { sent, collector, number } = work;
  const now = system.clock.now();
  const earlier = sent.works.get(collector) ?? [];
  const before = earlier.at(-1);
  const { lock } = system.setup.collectors[collector] as CollectorSetup;
  const lockOf = (index: number): string | undefined => {
    const own = system.setup.collectors[index]?.lock;
    return own === 'own' ? `own ${index}` : own;
  };
  const rules: [string, boolean][] = [
    ['has settled', sent.settled || sent.handle?.status === 'settled'],
    ['does not run', sent.handle !== undefined && sent.handle.status !== 'running'],
    ['begins while the queue is paused', system.stillPaused && sent.active === 0],
    ['has expired', system.hasExpired(sent, collector)],
    ['is revoked', system.isRevoked(collector)],
    [
      'has its signal fired',
      system.setup.collectors[collector]?.signal === true && system.controllers[collector]?.signal.aborted === true,
    ],
    ['is not wanted', sent.order.keys?.includes(collector) === false],
    ['has a wrong number', number !== earlier.length + 1],
    ['is awaited already', earlier.some(({ state }) => state === 'going')],
    ['is early', now < system.dueAt(sent, collector)],
    ['is not to be repeated', before !== undefined && !mayFollow(before, system.attemptsOf(sent, collector))],
    ['is repeated early', before !== undefined && now < notBefore(before)],
    [
      'has its lock taken',
      lock !== undefined &&
        system.works.some((one) => one.state !== 'over' && lockOf(one.collector) === lockOf(collector)),
    ],
  ];
  return rules.flatMap(([objection, holds]) => (holds ? [objection] : []));
}

/** Whether another attempt may follow this one. */
function mayFollow({ abandoned, outcome, number }: Work, attempts: number): boolean {
  if (!abandoned && (outcome === 'retryLater' || outcome === 'retryNow')) return true;
  const failed = abandoned || outcome === 'err' || outcome === 'throw' || outcome === 'later';
  return failed && number < attempts;
}

function notBefore({ abandoned, outcome, endedAt }: Work): number {
  const waits = !abandoned && (outcome === 'retryLater' || outcome === 'later');
  return waits ? (endedAt as number) + LATER : Number.NEGATIVE_INFINITY;
}

/** What cannot be explained in the results of an event that has just settled. */
export function explain(system: PolicySystem, sent: Sent, list: ResultList): string[] {
  const collectors = sent.order.keys ?? system.setup.collectors.map((_, index) => index);
  const keys = list.keys();
  if (keys.length === 0) return sent.early !== undefined && codeOf(list.errs()[0]) === sent.early ? [] : ['no keys'];
  const wrong: string[] = [];
  const wanted = [...collectors].sort().map((index) => `c${index}`);
  if (keys.join() !== wanted.join()) wrong.push(`results of ${keys} instead of ${wanted}`);
  for (const [at, result] of [...list].entries()) {
    const index = Number(keys[at]?.slice(1));
    if (!isExplained(system, sent, index, result)) {
      const work = sent.works.get(index)?.at(-1);
      const last = work && `${work.state} ${work.outcome} ${work.number} ${work.abandoned} ${work.late}`;
      wrong.push(
        `${sent.id}/${keys[at]} (${last}, ${sent.early}) gave ${result.isOk() ? 'Ok' : `Err(${result.error})`}`,
      );
    }
  }
  return wrong;
}

function isExplained(system: PolicySystem, sent: Sent, index: number, result: Result<unknown, unknown>): boolean {
  const last = sent.works.get(index)?.at(-1);
  const counts = last !== undefined && last.state === 'over' && !last.abandoned && !last.late;
  if (result.isOk()) return counts && last.outcome === 'value' && result.value === `${sent.id}/${index}/${last.number}`;
  if (counts && last.outcome === 'value') return false;
  const { error } = result;
  const code = codeOf(error);
  const signalFired =
    system.controllers[index]?.signal.aborted === true && system.setup.collectors[index]?.signal === true;
  if (sent.early !== undefined && code === sent.early) return true;
  switch (code) {
    case ErrorCode.CANCELLED:
      return signalFired || (counts && last.outcome === 'cancel');
    case ErrorCode.EXPIRED:
      return system.hasExpired(sent, index);
    case ErrorCode.REVOKED:
      return system.wasRevoked(sent, index);
    case ErrorCode.QUEUE_CLOSED:
      return system.setup.collectors[index]?.delay !== undefined;
    case ErrorCode.PARKED_FULL:
      return system.setup.maxParked < 100;
    case ErrorCode.DELIVERY_TIMEOUT:
      return last?.abandoned === true && !mayFollow(last, system.attemptsOf(sent, index));
    case ErrorCode.PROCESSOR:
      return counts && failed(system, last) && (error as { cause?: unknown }).cause === last.error;
    default:
      return counts && failed(system, last) && last.outcome === 'err' && error === last.error;
  }
}

/** It failed, and there is to be no other attempt. */
function failed(system: PolicySystem, work: Work): boolean {
  return work.outcome !== 'value' && !mayFollow(work, system.attemptsOf(work.sent, work.collector));
}
