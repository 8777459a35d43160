import { checkDuration } from '../core/checks.ts';
import type { AnyCollector, Processor } from '../core/collector.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import type { CollectorEvent } from '../core/event.ts';
import { reportError } from '../core/log.ts';
import type { QueueOptions } from '../core/options.ts';
import { OVERSEER, type Overseen } from '../core/overseer.ts';
import type { EventPublisher } from '../core/publisher.ts';
import { CollectorQueue } from '../core/queue.ts';
import type { Outcomes, ResultList } from '../core/results.ts';
import type { AnyTopics, TakenByAll, WithKey } from '../core/types.ts';
import { type QueueEventMap, QueueEventName } from '../queue-events/names.ts';
import { findSent, refuseSent, settledErr, settledOk } from './assertions.ts';
import { CallLog, type SentRecord } from './call-log.ts';
import { Doubles } from './doubles.ts';
import { UnsettledError } from './errors.ts';
import { EventLog } from './event-log.ts';
import {
  type CloseOptions,
  checkStub,
  type KitSettings,
  type RunAllOptions,
  resolveClose,
  resolveKitOptions,
  resolveRunAll,
  resolveSettled,
  type SettledOptions,
  type StubFor,
  type TestKitOptions,
} from './kit-options.ts';
import { KitSender } from './kit-sender.ts';
import type { ManualClock } from './manual-clock.ts';
import { Progress, type Rest, settlesInRealTime } from './progress.ts';

/** What a shutdown may take on the clock of the kit, where work or a lifecycle does not end; it is moved on for that. */
const SHUTDOWN_TIMEOUT = 10_000;

/**
 * A queue under test: with your collectors, on a clock that moves only when told to, with records of all that happens.
 * Made by {@link createTestKit}.
 *
 * @typeParam C - the collectors
 * @typeParam T - the topics and their values
 */
export class TestKit<C extends AnyCollector = any, T = AnyTopics> {
  /** The queue; it is up. It has copies of the collectors that were given, with processors that are recorded. */
  readonly queue: CollectorQueue<C, T>;
  /** The send side of the queue. */
  readonly publisher: EventPublisher<C, T>;
  readonly clock: ManualClock;
  readonly #doubles: Doubles;
  readonly #calls: CallLog;
  readonly #events: EventLog;
  readonly #progress: Progress;
  #closing: Promise<void> | undefined;
  /** An expectation has failed, or something was found unsettled: the test fails already, or has seen to it. */
  #complained = false;

  /**
   * Kits are made by {@link createTestKit}.
   * @internal
   */
  constructor(collectors: readonly C[], settings: KitSettings) {
    const { clock, inline, queue: options } = settings;
    const calls = new CallLog(() => clock.now());
    const progress = new Progress(clock, calls);
    const doubles = new Doubles(calls, settings);
    const copies = Array.isArray(collectors) ? collectors.map(doubles.of) : collectors;
    this.queue = new KitQueue<C, T>(copies as readonly C[], doubles, {
      ...options,
      clock,
      [OVERSEER]: {
        oversee(run) {
          progress.began(run);
          return new KitSender({ run, inline, inProcessor: () => calls.onStack > 0, sent: progress.sent });
        },
      },
    });
    for (const key of settings.stubs.keys()) doubles.checkKey('createTestKit: stubs', key);
    for (const key of settings.contexts.keys()) doubles.checkKey('createTestKit: contexts', key);
    this.publisher = this.queue.getPublisher();
    this.clock = clock;
    this.#doubles = doubles;
    this.#calls = calls;
    this.#progress = progress;
    this.#events = new EventLog(
      this.queue.events,
      ({ status }) => (status === QueueEventName.SHUTDOWN ? progress.ended() : progress.changed()),
      (source, error) => reportError(options.logger, source, error),
    );
  }

  /**
   * Resolves once everything that was sent has settled and nothing is under way. Where promises settle by themselves, that
   * takes no time; for processors that do real input and output it waits, in real time. It does not move the clock.
   *
   * @throws {@link UnsettledError} if what is left waits for the clock, is parked, or waits in a paused queue, and if
   * processors take longer than the `timeout`. The message lists what is left. `InvalidArgumentError` for a wrong option.
   */
  async settled(options: SettledOptions = {}): Promise<void> {
    const { timeout } = resolveSettled(options);
    const rest = await this.#progress.rest(timeout);
    if (rest !== 'done') throw this.#unsettled(rest);
  }

  /**
   * Moves the clock on, and lets all that falls due happen in its order: delays, time limits, back-off, schedules. What one
   * of them sets off comes as far as it gets before the next one is due, so a chain of retries goes through in one call.
   *
   * @param duration - milliseconds
   * @throws `InvalidArgumentError` for a negative duration, or one that is not finite (as a rejection)
   */
  async advance(duration: number): Promise<void> {
    await this.clock.advance(checkDuration('advance: duration', duration));
  }

  /**
   * Moves the clock from one due time to the next until everything that was sent has settled and nothing is under way;
   * what is sent on the way counts too, what a schedule will publish later does not. The clock stands still while
   * processors are under way, for as long as `patience` says.
   *
   * @throws {@link UnsettledError} for what `settled` throws it for, except that something waits for the clock; and if the
   * clock was moved `steps` times. `InvalidArgumentError` for a wrong option.
   */
  async runAll(options: RunAllOptions = {}): Promise<void> {
    const { timeout, patience, steps } = resolveRunAll(options);
    for (let step = 0; ; step++) {
      let rest = await this.#progress.rest(patience);
      if (rest === 'done') return;
      if (rest === 'working' && patience < timeout && this.clock.nextDue === undefined) {
        rest = await this.#progress.rest(timeout - patience);
        if (rest === 'done') return;
      }
      const due = this.clock.nextDue;
      const moves = rest === 'clock' || (rest === 'working' && patience < timeout);
      if (!moves || due === undefined) throw this.#unsettled(rest);
      if (step === steps)
        throw this.#unsettled(rest, `The clock was moved ${steps} times: does something come again and again?`);
      await this.clock.advance(due - this.clock.now());
    }
  }

  /** The queue events until now, or those of one name, in their order. */
  events<N extends QueueEventName = QueueEventName>(name?: N): QueueEventMap[N][] {
    if (name !== undefined && !Object.values(QueueEventName).includes(name)) {
      throw new InvalidArgumentError('events: name', 'the name of a queue event', `"${String(name)}"`);
    }
    return this.#events.of(name);
  }

  /**
   * What was handed to the processor of a collector until now, in order: once for each attempt.
   * @throws `InvalidArgumentError` for a key that no collector of the kit has
   */
  sent<K extends C['key']>(key: K): SentRecord<TakenByAll<WithKey<C, K>>>[] {
    return this.#sentTo(key, 'sent');
  }

  /** Forgets the records of queue events and of what was sent; what is under way goes on. */
  clearRecords(): void {
    this.#events.clear();
    this.#calls.clear();
  }

  /**
   * From the next call on, `stub` is called instead of the processor of a collector; undefined gives it its own back. The
   * lifecycle stays as it is: for a collector that is not to be set up at all, give the stub to {@link createTestKit}.
   *
   * @throws `InvalidArgumentError` for a key that no collector of the kit has, or a stub that is no function
   */
  stub<K extends C['key']>(key: K, stub: StubFor<WithKey<C, K>> | undefined): void {
    this.#doubles.checkKey('stub: key', key);
    if (stub !== undefined) checkStub('stub: stub', stub);
    this.#doubles.stub(key, stub as Processor | undefined);
  }

  /**
   * Expects that a collector was sent something; or something like this: a value whose fields the payload's value has,
   * among others; or a function that gives true for it.
   *
   * @returns the first record that fits
   * @throws an AssertionError, which lists what it was sent
   */
  expectSent<K extends C['key']>(key: K, ...expected: [like?: unknown]): SentRecord<TakenByAll<WithKey<C, K>>> {
    return this.#minding(() => findSent(key, this.#sentTo(key, 'expectSent'), expected, this.expectSent));
  }

  /** Expects that a collector was sent nothing. @throws an AssertionError, which lists what it was sent */
  expectNothingSent(key: C['key']): void {
    this.#minding(() => refuseSent(key, this.#sentTo(key, 'expectNothingSent'), this.expectNothingSent));
  }

  /**
   * Expects that an event has settled, with nothing but `Ok`.
   *
   * @returns its results
   * @throws an AssertionError, which says where the event stands, or lists the results
   */
  expectSettledOk<M extends Outcomes>(event: CollectorEvent<M>): ResultList<M> {
    return this.#minding(() => settledOk(event, this.clock.now(), this.expectSettledOk));
  }

  /**
   * Expects that an event has settled, with an `Err`; or one of this class, or with this `code`.
   *
   * @returns the first error that fits
   * @throws an AssertionError, which says where the event stands, or lists the results
   */
  expectSettledErr<E = unknown>(
    event: CollectorEvent,
    ...expected: [error?: string | (abstract new (...args: any) => E)]
  ): E {
    return this.#minding(() => settledErr(event, expected, this.clock.now(), this.expectSettledErr)) as E;
  }

  /**
   * Shuts the queue down. Fails if something that was sent has not settled, or work goes on: a test should know. Once; a
   * second call shares the outcome.
   *
   * @throws {@link UnsettledError}; `LifecycleError` if a collector could not be shut down; `InvalidArgumentError` for a
   * wrong option
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const settings = resolveClose(options);
    this.#closing ??= this.#close(settings.unsettled === 'fail', settings.timeout);
    return this.#closing;
  }

  /**
   * Closes the kit. Does not fail for what is unsettled if an expectation of this kit, `settled` or `runAll` has failed
   * before: with `await using` that would hide why.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ unsettled: this.#complained ? 'ignore' : 'fail' });
  }

  async #close(failing: boolean, timeout: number): Promise<void> {
    const rest = await this.#progress.rest(0);
    const unsettled = failing && rest !== 'done' ? this.#unsettled(rest) : undefined;
    try {
      await this.#shutDown(rest === 'done', timeout);
    } catch (error) {
      throw unsettled === undefined ? error : new UnsettledError(unsettled.message, { cause: error });
    }
    if (unsettled !== undefined) throw unsettled;
  }

  /** Lifecycles get real time to end; the time limits of the shutdown are those of the clock, which is moved after that. */
  async #shutDown(drain: boolean, timeout: number): Promise<void> {
    const closing = this.queue.shutDownQueue({ drain, timeout: SHUTDOWN_TIMEOUT });
    closing.catch(() => undefined);
    await this.clock.turn();
    if (!this.#progress.isDone) await this.clock.advance(SHUTDOWN_TIMEOUT);
    while (!(await settlesInRealTime(closing, timeout))) await this.clock.advance(SHUTDOWN_TIMEOUT);
    return closing;
  }

  #sentTo(key: string, asker: string): SentRecord[] {
    this.#doubles.checkKey(`${asker}: key`, key);
    return this.#calls.records.filter(({ collectorKey }) => collectorKey === key);
  }

  #minding<R>(expectation: () => R): R {
    try {
      return expectation();
    } catch (error) {
      this.#complained = true;
      throw error;
    }
  }

  #unsettled(rest: Rest, reason = this.#reasonFor(rest)): UnsettledError {
    this.#complained = true;
    return new UnsettledError(`${this.#progress.remains()}\n${reason}`);
  }

  #reasonFor(rest: Rest): string {
    switch (rest) {
      case 'clock':
        return 'It waits for the clock: await kit.runAll(), or kit.advance(milliseconds).';
      case 'paused':
        return 'The queue is paused: kit.queue.resume().';
      case 'stopped':
        return `Processors were called too often without a turn of the event loop, "${this.#progress.runaway}" last: do they send to each other in a circle?`;
      default:
        return this.clock.nextDue === undefined
          ? 'Nothing more happened in time: await what they wait for, or give a longer timeout.'
          : 'Nothing more happened in time. If they wait for the clock: kit.advance(milliseconds), or kit.runAll({ patience: 0 }).';
    }
  }
}

/** A queue whose later collectors are copies too. */
class KitQueue<C extends AnyCollector, T> extends CollectorQueue<C, T> {
  readonly #doubles: Doubles;

  constructor(collectors: readonly C[], doubles: Doubles, options: QueueOptions<T> & Overseen) {
    super(collectors, options);
    this.#doubles = doubles;
  }

  override addCollector(collector: AnyCollector): Promise<void> {
    return super.addCollector(this.#doubles.of(collector));
  }
}

/**
 * Makes a queue with these collectors on a {@link ManualClock}, initialises it, and records what happens. Close it at the
 * end: `await kit.close()`, or `await using kit = await createTestKit(…)`.
 *
 * The collectors are copied: those that are given are free to serve another queue, or another kit, at the same time. A
 * router that compares collectors should do so by their keys.
 *
 * @throws `InvalidArgumentError` for a wrong option of the kit or of the queue, an unknown option name, a stub or a context
 * for a key that no collector has; `LifecycleError` if a collector could not be set up (as a rejection)
 */
export async function createTestKit<C extends AnyCollector, T = AnyTopics>(
  collectors: readonly C[],
  options: TestKitOptions<C, T> = {},
): Promise<TestKit<C, T>> {
  const kit = new TestKit<C, T>(collectors, resolveKitOptions(options));
  await kit.queue.initQueue();
  return kit;
}
