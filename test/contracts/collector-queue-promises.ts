/** How an implementation stands to a promise. */
export type Standing = 'kept' | { readonly differently: string } | { readonly not: string };

/** A promise of a collector queue, as a sentence, and how the implementations stand to it. */
export interface Promised {
  readonly says: string;
  readonly inProcess: Standing;
  readonly bullmq: Standing;
}

/** Both keep it. */
function kept(says: string) {
  return { says, inProcess: 'kept', bullmq: 'kept' } as const;
}

/** BullMQ keeps it in its own way. */
function keptDifferently(says: string, differently: string) {
  return { says, inProcess: 'kept', bullmq: { differently } } as const;
}

/** BullMQ does not keep it. */
function keptInProcess(says: string, not: string) {
  return { says, inProcess: 'kept', bullmq: { not } } as const;
}

/**
 * What a collector queue promises. The suite in collector-queue.ts tests each of these for each implementation in the
 * way that stands here, and the table in docs/DISTRIBUTED.md says the same.
 */
export const promises = {
  // Who gets a payload.
  key: kept('A payload with keys goes to the collectors with these keys, and to no other'),
  anyKey: kept('Any non-empty string is a key like any other'),
  topic: kept('A payload with topics goes to those who subscribe to them, by name or by a pattern with `+` or `#`'),
  broadcast: kept('A payload with neither goes to all collectors'),
  once: keptDifferently(
    'Each collector that matches is called once, however many keys or topics match',
    'at least once: again if a worker is lost while it works',
  ),
  router: kept('A router of your own selects the collectors'),
  fullControl: keptInProcess(
    'A router with a `handleEvent` of its own has full control of deliveries and results',
    'results of other processes cannot pass through it; the option is refused',
  ),
  unmatched: kept(
    'A payload that matches nobody settles as one empty `Ok`, with `delivered` 0, and is told as `unrouted`',
  ),
  unmatchedError: kept("With `onUnrouted: 'error'` it settles as `Err(UnroutedError)`"),
  payload: kept('The processor gets the payload with its keys, topics, delivery and priority'),
  reference: keptDifferently(
    'Values and results travel by reference',
    'as copies, by way of JSON or a serializer of yours; what it cannot write is refused',
  ),
  attempt: kept('The attempt tells its number, its collector and the id of the event'),
  asyncContext: keptInProcess(
    "With `asyncContext` a processor runs in its sender's async context",
    'the sender is another process; the option is refused',
  ),
  concurrentTasks: kept('The tasks of one payload run at the same time, also at one consumer'),

  // What becomes of it.
  resultOrder: kept('Results stand in order of registration, whoever ends first'),
  okValues: kept('A bare value, an `Ok`, a promise of either count as `Ok`'),
  thrown: keptDifferently(
    'A throw or a rejection is an `Err(ProcessorError)`, with what was thrown as its cause',
    'the errors are read back as `RemoteError`, with their name, message, code and chain of causes',
  ),
  thrownAnything: kept('Whatever a processor throws, its task settles, and the queue goes on'),
  errValue: kept('An `err(x)` keeps its `x`'),
  errError: keptDifferently(
    'An `err(error)` keeps its error',
    'as a `RemoteError` with its name, message, code and chain of causes',
  ),
  siblings: kept('The failure of one collector touches neither the others nor the next payload'),
  list: kept('The results can be had by key, in turn, by kind, or combined'),

  // The handle of a send.
  sendAtOnce: kept('`send` returns at once and runs no code of yours'),
  notThenable: kept('An event is not thenable: awaiting a send gives the event'),
  id: kept('The id of an event is a UUID of its own'),
  getResult: keptDifferently(
    '`getResult()` is undefined until the event has settled, then always the same list',
    'undefined until a `wait()` or an iteration has seen it settle: nobody asks unasked',
  ),
  status: keptDifferently(
    "The status of an event tells 'scheduled', 'waiting', 'running' and 'settled'",
    "what runs is 'waiting' to its sender; 'settled' is told once it is known, as with `getResult()`",
  ),
  wait: kept('Whoever waits, before or after, gets the same list'),
  waitLimit: keptInProcess(
    '`wait()` without a limit waits for as long as it takes',
    'a limit always applies, the option `waitTimeout`, so that nothing waits for ever for a lost server',
  ),
  waitTimeout: kept('`wait({ timeout })` rejects with a `WaitTimeoutError`; the event goes on'),
  waitSignal: kept("`wait({ signal })` rejects with the signal's reason; the event goes on"),
  ignored: kept('Ignoring an event never raises an unhandled rejection'),
  cancelWaiting: keptDifferently(
    '`cancel(reason)` settles what waits at once as `Err(CancelledError)`, and it never runs',
    'it settles at once and its job is removed; a worker that has taken it by then runs it',
  ),
  cancelRunning: keptDifferently(
    '`cancel(reason)` settles what runs at once, and its signal fires',
    'it settles at once for the sender; the work, perhaps of another process, goes on',
  ),
  cancelPartly: keptDifferently(
    'Tasks that are done when an event is cancelled keep their results',
    'those whose results were seen by a `wait()` or an iteration',
  ),
  sendSignal: kept('The signal of a send cancels it'),
  iteration: kept('Iterating over an event gives each result with its key as it comes'),
  iterationLate: kept('Iterating over an event that has settled gives its results in order of registration'),

  // Beginning and end.
  lifecycleOrder: kept('Collectors are set up in their order and shut down in reverse'),
  context: kept('The context is a copy of what you gave, filled by the lifecycle, new at each start'),
  rollback: kept('A set-up that fails shuts down those that are up, and `initQueue` rejects with every cause'),
  initAgain: kept('After a failed start or a shutdown the queue can be initialised again'),
  initIdempotent: kept('`initQueue` is idempotent, and concurrent callers share one outcome'),
  shutdownIdempotent: kept(
    '`shutDownQueue` is idempotent, concurrent callers share one outcome, and before `initQueue` it does nothing',
  ),
  shutdownDuringInit: kept('A shutdown during `initQueue` waits for the set-up under way and undoes it'),
  reopen: kept('`initQueue` during a shutdown starts again once that is over'),
  shutdownFailure: kept('A shutdown that fails skips nobody, and every cause is told'),
  oneQueue: kept('A collector serves one queue at a time'),
  run: kept('`run(body)` initialises, runs the body and always shuts down'),
  asyncDispose: kept('A queue is an async disposable'),
  addCollector: kept('A collector can be added while the queue is up, and is set up first'),
  removeCollector: keptDifferently(
    'A collector can be removed while the queue is up; it is shut down after its last task',
    'from this process; what waits in Redis stays there for other processes',
  ),

  // Sending.
  sendBeforeInit: kept('A send before `initQueue` throws'),
  sendAfterShutdown: kept('A send after the shutdown settles at once as `Err(QueueClosedError)`'),
  sendMisuse: kept('A send of what is no payload, or with a wrong option, throws and names it'),
  sendMany: kept('`sendMany` sends in order, and nothing if one of them is wrong'),
  publish: kept('`publish(value, options)` makes the payload and sends it'),
  sendWhenReady: kept('`sendWhenReady` sends once there is room, which without a bound is at once'),
  sendFromInside: kept('A processor can send, also at one consumer'),
  maxSize: keptInProcess(
    'With `maxSize`, what is one too many settles as `Err(QueueFullError)`',
    'what waits is in Redis, for all processes; the option is refused',
  ),

  // Giving up.
  drain: keptDifferently(
    'A shutdown finishes what was accepted',
    'what runs here, and what somebody waits for; the rest stays in Redis for other workers or the next start',
  ),
  drainRetries: keptDifferently('A shutdown that drains waits for retries', 'that somebody waits for'),
  drainPaused: keptInProcess(
    'A paused queue is resumed by a shutdown that drains',
    'a pause is kept in Redis, for all processes; it outlasts the shutdown, and what waits stays there',
  ),
  drainScheduled: keptDifferently(
    "What is delayed settles as `Err(QueueClosedError)` when the queue drains, or is waited for with `scheduled: 'wait'`",
    'for whoever waits for it; the job stays in Redis and runs when it is due',
  ),
  abort: keptDifferently(
    'A shutdown without draining settles the rest as `Err(QueueAbortedError)`',
    'for whoever waits for it; the jobs stay in Redis for other workers or the next start',
  ),
  shutdownTimeout: keptDifferently(
    'A shutdown ends at its time limit; the rest settles as `Err(ShutdownTimeoutError)`, and its signal fires',
    'for whoever waits for it; the jobs stay in Redis for other workers or the next start',
  ),

  // In which order, and how much at a time.
  fifo: kept('FIFO, the default, takes the oldest first'),
  lifo: kept('LIFO takes the newest first'),
  priority: kept('PRIORITY takes the lowest number first, and equals in order of acceptance'),
  defaultPriority: kept('A payload without a priority has the `defaultPriority`, 1000 if none is given'),
  anyPriority: keptInProcess(
    'A priority may be any finite number',
    'whole numbers from -1,000,000 to 1,000,000; a send with another one throws',
  ),
  lifoPriority: keptInProcess(
    'A LIFO queue takes payloads with a priority, and ignores it',
    'BullMQ cannot have both; the send throws',
  ),
  concurrency: keptDifferently(
    'No more is worked on at a time than there may be consumers, and no less while payloads wait',
    '`concurrency`, for each collector and worker process',
  ),
  pause: keptDifferently(
    'While the queue is paused nothing begins; what runs goes on, what is sent waits',
    'in all processes, from when `pause()` resolves; it is kept in Redis',
  ),
  clear: keptDifferently(
    '`clear()` settles what waits as `Err(ClearedError)` and tells how much that was',
    'of all processes, and resolves; who begins to wait later, or elsewhere, gets `Err(JobLostError)`',
  ),
  onIdle: keptDifferently(
    '`onIdle()` resolves once everything has settled',
    'everything that is in Redis, whoever sent it',
  ),

  // Policies.
  retry: kept('A task that fails is attempted as often as `retry` says; the last error counts'),
  retryDelay: kept('An error can say itself when it wants to be retried (`retryAfter`)'),
  permanent: kept('An error with `retryable: false`, or that `retryIf` does not want, ends the task'),
  retryTask: kept('A `RetryTask` gets another attempt in any case'),
  cancelTask: kept('A `CancelTask` ends the task as `Err(CancelledError)`, whatever attempts are left'),
  ttl: kept('What waits longer than its `ttl` settles as `Err(ExpiredError)` and is not attempted'),
  delay: kept('With `delay` or `at`, of a send or a collector, nothing begins earlier, and nobody is held up'),
  timeout: kept(
    'An attempt that exceeds its `timeout` counts as failed with a `DeliveryTimeoutError`, and its signal fires',
  ),
  sendOptions: kept('The options of a send win over those of the collector'),
  sendRetryIf: keptInProcess(
    'A send can say which errors are to be retried (`retryIf`)',
    'a function cannot travel; the send throws. That of a collector is heeded',
  ),
  deadLetterKey: kept('What failed for good goes to the collector that `deadLetter` names'),
  deadLetterFunction: kept(
    'What failed for good goes to the function `deadLetter`; what was cancelled or has expired does not',
  ),
  collectorSignal: keptDifferently(
    'The signal of a collector cancels all of its tasks',
    'in the worker process that has the signal',
  ),
  customPolicies: kept('A policy of your own decides before and after each attempt'),
  schema: kept(
    'The `schema` of a collector checks and transforms values before its processor; what does not fit is not retried',
  ),
  middleware: kept('What `use` was given wraps every attempt, the first one outermost, and may replace the result'),
  headers: kept('The `headers` of a send are those of every attempt'),
  lock: keptDifferently('One task of the queue at a time holds a `lock`', 'in each worker process'),
  collectorConcurrency: keptDifferently(
    'At most `concurrency` attempts of a collector run at a time',
    'in each worker process',
  ),
  rateLimit: keptDifferently(
    'At most `limit` attempts of a collector begin in any `interval` of its `rateLimit`',
    'in each worker process',
  ),
  partition: keptInProcess(
    'Tasks with the same `partitionBy` or `partitionKey` run one at a time, in order',
    'jobs have no order by key over all processes; both options are refused',
  ),
  revoke: keptInProcess(
    '`revoke(key)` refuses the tasks of a collector until `restore(key)`',
    'there is no such method; `pause()` holds all collectors',
  ),
  every: keptInProcess(
    '`every(cadence, make)` publishes again and again',
    'there is no such method: every process would publish. Let one do it, by a timer or cron',
  ),

  // What can be seen.
  eventsOfSuccess: keptDifferently(
    'A payload is told as `enqueued`, then `started`, then `finished`',
    'each by the process where it happens: the sender tells `enqueued`, the worker the others',
  ),
  eventsOfFailure: kept('An attempt that fails is told as `retrying` if another follows, else as `error-task`'),
  throwingListener: kept('A listener that throws harms nobody, and is told as `error-internal`'),
  stream: kept('Queue events can be iterated over'),
  keptResults: keptInProcess(
    'With the option `results` the results of an event can be had by its id',
    'the option is refused: results are kept with the jobs (`keepCompleted`, `keepFailed`)',
  ),
  metrics: kept('The metrics have all their fields, as numbers, and throw before the first `initQueue`'),
  accounting: keptDifferently(
    'offered = accepted + rejected, and accepted = waiting + in flight + parked + settled',
    'of what this process has sent, settled as far as somebody waited: accepted = in flight + settled, and what waits for Redis is offered, not accepted',
  ),
  health: keptDifferently(
    '`health()` tells whether the queue is up and takes payloads, and which tasks have been running longest',
    'a promise of it; it tells of this process, and whether Redis answers',
  ),
  consumerCount: kept('`consumerCount` is 0 while the queue is not up, and at least 1 while it is'),

  // Construction.
  face: keptDifferently(
    'It has the methods and properties of `CollectorQueue`',
    'without `revoke`, `restore`, `every`, `result`, `onEmpty`, `onSizeLessThan`, `isSaturated`; `pause`, `resume`, `clear` and `health` return promises',
  ),
  badOptions: kept('A wrong option, or an unknown one, throws and is named, with what was expected and what came'),
  badCollectors: kept('No collectors, two with one key, and a dead letter for nobody throw'),
} satisfies Record<string, Promised>;

export type PromiseName = keyof typeof promises;

/** Which implementation. */
export type Column = 'inProcess' | 'bullmq';

/** In which way a promise is tested. */
export type Way = 'kept' | 'differently' | 'not';

/** The way of a standing, as a type. */
type WayOf<S> = S extends 'kept' ? 'kept' : S extends { readonly differently: string } ? 'differently' : 'not';

/** The ways in which a promise of the table is to be tested. */
export type WaysOf<N extends PromiseName> = WayOf<(typeof promises)[N][Column]>;

export function wayOf(standing: Standing): Way {
  if (standing === 'kept') return 'kept';
  return 'differently' in standing ? 'differently' : 'not';
}
