import { CLOCK_METHODS, checkInteger, checkMethods, checkOneOf, checkOptions, LOGGER_METHODS } from '../core/checks.ts';
import type { Logger } from '../core/log.ts';
import { type Clock, systemClock } from '../schedule/clock.ts';
import { StoreOverflow } from './event-store.ts';

/** When an added event counts as kept. */
export const StoreDurability = {
  /** Once the disk has it: it survives the loss of power. */
  SYNC: 'sync',
  /** Once the operating system has it: it survives the end of the process. */
  OS: 'os',
} as const;
export type StoreDurability = (typeof StoreDurability)[keyof typeof StoreDurability];

/** Options of a {@link LevelEventStore}. */
export interface LevelEventStoreOptions {
  /**
   * The most events that it holds, those in flight too; a whole number of at least 1.
   * @default 1_000_000
   */
  readonly capacity?: number | undefined;
  /**
   * The most bytes that it holds, counting each event as its JSON; a whole number of at least 1. On disk it may be
   * more for a while: the room of what is deleted is given back in the background.
   * @default 1_073_741_824, which is 1 GiB
   */
  readonly maxBytes?: number | undefined;
  /**
   * What becomes of an event for which there is no room.
   * @default 'dropNewest'
   */
  readonly overflow?: StoreOverflow | undefined;
  /**
   * When an added event counts as kept: once the disk has it, or the operating system.
   * @default 'sync'
   */
  readonly durability?: StoreDurability | undefined;
  /**
   * Where to tell of failed writes and of damage. Without it these become process warnings.
   * @default none
   */
  readonly logger?: Logger | undefined;
  /**
   * Decides when a database that could not be opened may be tried again.
   * @default the clock of the machine
   */
  readonly clock?: Clock | undefined;
}

/** The options of a store, checked and complete. */
export interface LevelSettings {
  readonly capacity: number;
  readonly maxBytes: number;
  readonly overflow: StoreOverflow;
  readonly durability: StoreDurability;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
}

const OPTIONS = ['capacity', 'maxBytes', 'overflow', 'durability', 'logger', 'clock'] as const;
const DEFAULT_MAX_BYTES = 2 ** 30;

/** @throws {@link InvalidArgumentError} for the first that is wrong. */
export function resolveLevelOptions(owner: string, options: LevelEventStoreOptions): LevelSettings {
  checkOptions<LevelEventStoreOptions>(owner, options, OPTIONS);
  const { capacity = 1_000_000, maxBytes = DEFAULT_MAX_BYTES, logger } = options;
  const { overflow = StoreOverflow.DROP_NEWEST, durability = StoreDurability.SYNC, clock = systemClock } = options;
  return {
    capacity: checkInteger(`${owner}: capacity`, capacity, { min: 1 }),
    maxBytes: checkInteger(`${owner}: maxBytes`, maxBytes, { min: 1 }),
    overflow: checkOneOf(`${owner}: overflow`, overflow, Object.values(StoreOverflow)),
    durability: checkOneOf(`${owner}: durability`, durability, Object.values(StoreDurability)),
    logger: logger === undefined ? undefined : checkMethods<Logger>(`${owner}: logger`, logger, LOGGER_METHODS),
    clock: checkMethods<Clock>(`${owner}: clock`, clock, CLOCK_METHODS),
  };
}
