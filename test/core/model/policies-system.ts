import {
  type Attempt,
  CancelTask,
  Collector,
  CollectorQueue,
  ErrorCode,
  err,
  Payload,
  RetryTask,
} from 'collector-queue';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { TaskLog, type Told } from './policies-diagram.ts';
import {
  type CollectorSetup,
  codeOf,
  LATER,
  type Manner,
  type Order,
  type Outcome,
  Sent,
  type Setup,
  type Work,
} from './policies-model.ts';
import { objections } from './policies-rules.ts';

const REFUSALS: ReadonlySet<unknown> = new Set([ErrorCode.QUEUE_FULL, ErrorCode.QUEUE_CLOSED]);

/** Errors of tasks that did not fail: nobody wanted them any more. */
const UNWANTED: ReadonlySet<unknown> = new Set([
  ErrorCode.CANCELLED,
  ErrorCode.REVOKED,
  ErrorCode.EXPIRED,
  ErrorCode.QUEUE_CLOSED,
]);

/** A queue whose processors end when the test says so, and what the test knows of it by itself. */
export class PolicySystem {
  readonly clock: ManualClock = new ManualClock();
  readonly setup: Setup;
  readonly queue: CollectorQueue;
  readonly sents: Sent[] = [];
  readonly works: Work[] = [];
  readonly letters: unknown[] = [];
  readonly violations: string[] = [];
  readonly log: TaskLog | undefined;
  readonly controllers: readonly AbortController[];
  /** The signal that many sends share. */
  readonly shared: AbortController = new AbortController();
  /** Until when collectors are revoked. */
  readonly revoked: Map<number, number> = new Map();
  /** When collectors were revoked at all. */
  readonly revocations: { readonly index: number; readonly from: number; until: number }[] = [];
  paused = false;
  /** It was paused when it was checked last, and is still. */
  stillPaused = false;
  deadLettered = 0;
  deadLettersDue = 0;
  late = 0;
  /** What has its processor on the stack. */
  #starting: Work | undefined = undefined;

  constructor(setup: Setup) {
    const { collectors, jitter: _, listens, cancelsAt: __, ...options } = setup;
    this.setup = setup;
    this.controllers = collectors.map(() => new AbortController());
    const all = collectors.map((one, index) => this.#collector(one, index));
    this.queue = new CollectorQueue(all, { ...options, clock: this.clock, idleTimeout: 20_000 });
    this.log = listens ? new TaskLog(this.queue, (told) => this.#told(told)) : undefined;
  }

  send(order: Order): void {
    const sent = new Sent(this.sents.length, order);
    this.sents.push(sent);
    const { keys, options, expiresIn, asTime, signal, whenReady } = order;
    const now = this.clock.now();
    const { delay, retry, ...rest } = options;
    if (delay !== undefined && asTime) sent.dueAt = now + delay;
    if (expiresIn !== undefined) sent.expiresAt = now + expiresIn;
    const when = delay === undefined ? {} : asTime ? { at: now + delay } : { delay };
    const expiry = expiresIn === undefined ? {} : { ttl: undefined, expiresAt: now + expiresIn };
    const abort = signal === 'none' ? {} : { signal: this.controllerOf(sent).signal };
    if (signal === 'fired') sent.controller.abort('before');
    const fired = this.controllerOf(sent).signal.aborted && signal !== 'none';
    const repeat = typeof retry === 'object' ? { retry: { ...retry, retryIf: () => this.#retryIf(sent) } } : {};
    const payload = new Payload(sent, { keys: keys?.map((key) => `c${key}`) });
    const all = { ...rest, ...repeat, ...when, ...expiry, ...abort };
    if (!whenReady) {
      const given = Object.keys(all).length === 0 ? undefined : all;
      this.#accepted(sent, this.queue.getPublisher().send(payload as Payload, given), fired);
      return;
    }
    sent.pending = true;
    this.queue
      .getPublisher()
      .sendWhenReady(payload as Payload, all)
      .then(
        (handle) => this.#accepted(sent, handle),
        () => {
          sent.pending = false;
        },
      );
  }

  /** Ends an event before its time, if it has not ended. */
  endEarly(sent: Sent, code: ErrorCode): void {
    this.noteDrop(sent);
    if (!sent.settled && sent.handle !== undefined && !sent.rejected) sent.early = code;
  }

  /** An event may be dropped for a newcomer at any time. */
  noteDrop(sent: Sent): void {
    const dropped = codeOf(sent.handle?.getResult()?.errs()[0]) === ErrorCode.DROPPED;
    if (dropped && this.setup.overflow === 'dropOldest') sent.early ??= ErrorCode.DROPPED;
  }

  cancel(sent: Sent): void {
    if (sent.handle === undefined) return;
    const hadSettled = sent.handle.status === 'settled';
    this.endEarly(sent, ErrorCode.CANCELLED);
    if (sent.handle.cancel('enough') === hadSettled) this.violations.push(`cancel of ${sent.id}: ${!hadSettled}`);
  }

  abortSent(sent: Sent): void {
    const { signal } = sent.order;
    const controller = this.controllerOf(sent);
    if (signal === 'none' || controller.signal.aborted) return;
    for (const one of this.sents) {
      if (one.order.signal === signal && this.controllerOf(one) === controller) this.endEarly(one, ErrorCode.CANCELLED);
    }
    controller.abort('changed my mind');
  }

  controllerOf({ order, controller }: Sent): AbortController {
    return order.signal === 'shared' ? this.shared : controller;
  }

  #retryIf(sent: Sent): boolean {
    const { retryIf } = sent.order;
    if (retryIf === 'says yes' || sent.handle === undefined) return true;
    this.cancel(sent);
    if (retryIf === 'cancels, says yes') return true;
    // The result of this attempt comes too late.
    this.late++;
    return false;
  }

  abortCollector(index: number): void {
    const controller = this.controllers[index] as AbortController;
    if (this.setup.collectors[index]?.signal !== true || controller.signal.aborted) return;
    for (const work of this.works) {
      const abandon = (): void => {
        if (work.state === 'going' && !work.sent.settled) work.sent.abandon(work);
      };
      if (work.collector !== index || work.finish === undefined) continue;
      if (work === this.#starting) queueMicrotask(abandon);
      else abandon();
    }
    controller.abort('no more');
  }

  revoke(index: number, until: number | undefined): void {
    this.#endRevocation(index);
    this.revoked.set(index, until ?? Number.POSITIVE_INFINITY);
    this.revocations.push({ index, from: this.clock.now(), until: until ?? Number.POSITIVE_INFINITY });
    this.queue.revoke(`c${index}`, { until });
  }

  restore(index: number): void {
    const was = this.isRevoked(index);
    this.#endRevocation(index);
    this.revoked.delete(index);
    if (this.queue.restore(`c${index}`) !== was) this.violations.push(`restore of ${index}: ${!was}`);
  }

  clear(): void {
    for (const sent of this.sents) if (sent.handle?.status === 'waiting') this.endEarly(sent, ErrorCode.CLEARED);
    this.queue.clear();
  }

  isRevoked(index: number): boolean {
    return this.clock.wall() < (this.revoked.get(index) ?? 0);
  }

  /** Whether it was revoked at some time since the acceptance. */
  wasRevoked({ acceptedAt }: Sent, index: number): boolean {
    return this.revocations.some((one) => one.index === index && one.until >= acceptedAt);
  }

  /** What can be ended: all but what is stuck, unless `also` that. */
  going(also = false): Work[] {
    return this.works.filter(({ finish, state, manner }) => {
      return finish !== undefined && state !== 'over' && (also || manner !== 'stuck');
    });
  }

  attemptsOf({ order }: Sent, index: number): number {
    const retry = order.options.retry ?? this.setup.collectors[index]?.retry;
    return typeof retry === 'number' ? retry : (retry?.attempts ?? 1);
  }

  timeoutOf({ order }: Sent, index: number): number {
    return order.options.timeout ?? this.setup.collectors[index]?.timeout ?? Number.POSITIVE_INFINITY;
  }

  hasExpired(sent: Sent, index: number): boolean {
    const ttl = sent.order.options.ttl ?? this.setup.collectors[index]?.ttl ?? Number.POSITIVE_INFINITY;
    return this.clock.now() >= (sent.expiresAt ?? sent.acceptedAt + ttl);
  }

  dueAt({ acceptedAt, dueAt, order }: Sent, index: number): number {
    const delay = order.options.delay === undefined ? this.setup.collectors[index]?.delay : undefined;
    return delay === undefined ? (dueAt ?? acceptedAt) : acceptedAt + delay;
  }

  #accepted(sent: Sent, handle: Sent['handle'], fired = false): void {
    sent.handle = handle;
    sent.pending = false;
    sent.acceptedAt = this.clock.now();
    sent.dueAt ??= sent.acceptedAt + (sent.order.options.delay ?? 0);
    const first = handle?.getResult()?.first();
    if (sent.order.whenReady && handle?.getResult()?.keys().length === 0)
      sent.early = codeOf(handle.getResult()?.errs()[0]);
    sent.rejected = fired || (first?.isErr() === true && REFUSALS.has(codeOf(first.error)));
    void handle?.wait().then(() => sent.settlements++);
  }

  #endRevocation(index: number): void {
    for (const one of this.revocations) if (one.index === index) one.until = Math.min(one.until, this.clock.now());
  }

  #collector(one: CollectorSetup, index: number): Collector {
    const { timeout, retry, ttl, delay, lock, signal, deadLetter } = one;
    return new Collector(`c${index}`, ({ value }: Payload<Sent>, _, attempt) => this.#process(value, index, attempt), {
      timeout,
      retry,
      ttl,
      delay,
      lock: lock === undefined ? undefined : { name: lock === 'shared' ? 'shared' : `own ${index}`, delay: 20 },
      signal: signal ? (this.controllers[index] as AbortController).signal : undefined,
      deadLetter: deadLetter ? (letter) => void this.letters.push(letter) : undefined,
    });
  }

  #process(sent: Sent, collector: number, attempt: Attempt): unknown {
    const { manners, outcomes } = sent.order;
    const manner = manners[collector % 2] as Manner;
    const work: Work = {
      sent,
      collector,
      number: attempt.number,
      begunAt: this.clock.now(),
      state: 'going',
      abandoned: false,
      late: false,
      endedAt: undefined,
      outcome: undefined,
      finish: undefined,
      manner,
      error: new Error(`${sent.id}/${collector}/${attempt.number}`),
      group: undefined,
    };
    for (const objection of objections(this, work)) {
      this.violations.push(`attempt ${work.number} of ${sent.id}/${collector} at ${work.begunAt} ${objection}`);
    }
    sent.begin(work);
    this.works.push(work);
    if (manner === 'cancelsSync') this.cancel(sent);
    if (manner === 'abortsSync') this.abortCollector((sent.id + collector) % this.setup.collectors.length);
    if (manner.toLowerCase().endsWith('sync')) {
      work.outcome = outcomes[attempt.number - 1] ?? 'value';
      this.#end(work);
      return endAs(work, work.outcome);
    }
    const promise = new Promise((resolve, reject) => {
      work.finish = (outcome) => {
        if (work.outcome !== undefined) return;
        work.outcome = outcome;
        try {
          resolve(endAs(work, outcome));
        } catch (thrown) {
          reject(thrown);
        }
      };
    });
    const end = (): void => this.#end(work);
    promise.then(end, end);
    this.#starting = work;
    if (manner === 'aborts') this.abortCollector((sent.id + collector) % this.setup.collectors.length);
    this.#starting = undefined;
    if (this.log === undefined || manner === 'heeds' || manner === 'cancels') this.#heed(work, attempt.signal);
    return promise;
  }

  #heed(work: Work, signal: AbortSignal): void {
    signal.addEventListener('abort', () => {
      const timedOut = codeOf(signal.reason) === ErrorCode.DELIVERY_TIMEOUT;
      if (this.log === undefined && timedOut) work.sent.abandon(work);
      if (work.manner === 'cancels') this.cancel(work.sent);
      if (work.manner === 'cancels' || work.manner === 'heeds') work.finish?.('throw');
    });
  }

  #end(work: Work): void {
    work.sent.end(work, this.clock.now());
    if (work.late) this.late++;
  }

  #told({ status, id, task, error }: Told): void {
    const { deadLetter } = this.setup.collectors[Number(task?.slice(1))] ?? { deadLetter: false };
    if (status === 'error-task' && deadLetter && !UNWANTED.has(codeOf(error))) this.deadLettersDue++;
    if (status === 'dead-lettered') this.deadLettered++;
    const acts = task !== undefined && status === this.setup.cancelsAt;
    const sent = this.sents.find(({ handle }) => handle?.id === id);
    if (acts && sent !== undefined) {
      this.cancel(sent);
      return;
    }
    if (status !== 'timeout') return;
    const work = sent?.works.get(Number(task?.slice(1)))?.at(-1);
    if (work?.state === 'going') work.sent.abandon(work);
    else this.violations.push(`timeout of ${id}/${task}, which is ${work?.state}`);
  }
}

function endAs({ error, sent, collector, number }: Work, outcome: Outcome): unknown {
  switch (outcome) {
    case 'value':
      return `${sent.id}/${collector}/${number}`;
    case 'err':
      return err(error);
    case 'throw':
      throw error;
    case 'permanent':
      throw Object.assign(error, { retryable: false });
    case 'later':
      throw Object.assign(error, { retryAfter: LATER });
    case 'retryLater':
      throw new RetryTask({ delay: LATER });
    case 'retryNow':
      return new RetryTask();
    case 'cancel':
      return new CancelTask('not wanted');
  }
}
