import type { Result } from 'neverthrow';
import { checkDuration, checkFunction, checkMethods, checkName, checkOneOf, checkOptions } from '../core/checks.ts';
import { COLLECTOR_OPTIONS, Collector, type CollectorOptions } from '../core/collector.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import type { Emitter } from './emitter.ts';
import type { EmitterEvent } from './event.ts';

/**
 * When a task of an emitter's collector is `Ok`: once the emitter keeps the event as safely as it can, or once the other
 * side took it.
 */
export type Ack = 'stored' | 'delivered';

/** Options of {@link emitterCollector}: those of a collector, but for its lifecycle and context, and two more. */
export interface EmitterCollectorOptions extends Omit<CollectorOptions, 'lifecycle' | 'context'> {
  /**
   * What a task's `Ok` means. With `'delivered'` the task runs, and holds its consumer, until the outcome of its event
   * is known.
   * @default 'stored'
   */
  readonly ack?: Ack | undefined;
  /**
   * The longest that closing the emitter may take when the queue shuts down, in milliseconds, at least 0.
   * @default 10_000
   */
  readonly closeTimeout?: number | undefined;
}

/** A collector whose processor hands the values of its payloads to an emitter. */
export type EmitterCollector<K extends string = string> = Collector<
  K,
  object,
  Promise<Result<unknown, Error>>,
  object,
  void
>;

/** How long closing may take, by default. Milliseconds. */
export const CLOSE_TIMEOUT = 10_000;

const ACKS: readonly Ack[] = ['stored', 'delivered'];

/**
 * An emitter as a collector: the queue opens it when it sets its collectors up, and closes it, which flushes, when it
 * shuts them down. Several emitters on one queue are several collectors; each gets every broadcast.
 *
 * @throws {@link InvalidArgumentError} for what is no emitter, for options that are wrong, and for `ack: 'delivered'` with
 * an emitter that has no `deliver`.
 */
export function emitterCollector<const K extends string>(
  key: K,
  emitter: Emitter,
  options: EmitterCollectorOptions = {},
): EmitterCollector<K> {
  const owner = `emitterCollector "${checkName('Collector: key', key)}"`;
  checkEmitter(`${owner}: emitter`, emitter);
  checkNames(owner, options);
  const { ack = 'stored', closeTimeout = CLOSE_TIMEOUT, ...rest } = options;
  const timeout = checkDuration(`${owner}: closeTimeout`, closeTimeout);
  const take = checkOneOf(`${owner}: ack`, ack, ACKS) === 'stored' ? storing(emitter) : delivering(owner, emitter);
  return new Collector(key, (payload) => take(payload.value as EmitterEvent), {
    ...rest,
    lifecycle: {
      setup: async (): Promise<void> => emitter.open?.(),
      shutdown: async (): Promise<void> => void (await emitter.close({ timeout })),
    },
  });
}

/** The emitter's own; given, they would be ignored. */
const OWN = ['lifecycle', 'context'] as const;

const NAMES: readonly (keyof CollectorOptions | 'ack' | 'closeTimeout')[] = [
  'ack',
  'closeTimeout',
  ...COLLECTOR_OPTIONS,
];

function checkNames(owner: string, options: EmitterCollectorOptions): void {
  checkOptions<CollectorOptions & EmitterCollectorOptions>(owner, options, NAMES);
  for (const name of OWN) {
    if ((options as CollectorOptions)[name] === undefined) continue;
    throw new InvalidArgumentError(`${owner}: options`, `without ${name}`, 'an object with one');
  }
}

type Take = (event: EmitterEvent) => Promise<Result<unknown, Error>>;

function storing(emitter: Emitter): Take {
  return (event) => emitter.store(event);
}

function delivering(owner: string, emitter: Emitter): Take {
  if (emitter.deliver === undefined) {
    throw new InvalidArgumentError(
      `${owner}: ack`,
      "'stored' with an emitter that cannot tell what becomes of an event",
      "'delivered'",
    );
  }
  return (event) => (emitter as Required<Emitter>).deliver(event);
}

/** @throws {@link InvalidArgumentError} for what lacks one of the methods of an {@link Emitter}. */
export function checkEmitter(name: string, emitter: Emitter): void {
  checkMethods(name, emitter, ['input', 'store', 'flush', 'close']);
  if (emitter.open !== undefined) checkFunction(`${name}.open`, emitter.open);
  if (emitter.deliver !== undefined) checkFunction(`${name}.deliver`, emitter.deliver);
}
