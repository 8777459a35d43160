import { checkFunction } from './checks.ts';
import { describe, describeThrown, InvalidArgumentError, LifecycleError, QueueClosedError } from './errors.ts';

/**
 * Sets a collector up before its first payload and shuts it down after its last.
 *
 * Either a generator function that yields once: what stands before the `yield` sets up, what it yields is merged into
 * the context, what stands after shuts down (use `finally`). Or an object with `setup`, `shutdown` or both; what `setup`
 * returns is merged into the context.
 *
 * @typeParam G - the context that the user gives
 * @typeParam Y - what the lifecycle adds to it
 */
export type Lifecycle<G extends object = any, Y = any> = LifecycleGenerator<G, Y> | LifecycleObject<G, Y>;

/** A generator function that yields exactly once. */
export type LifecycleGenerator<G extends object, Y> = (
  context: G,
) => AsyncGenerator<Y, void, void> | Generator<Y, void, void>;

/** The two halves as methods. */
export interface LifecycleObject<G extends object, Y> {
  setup?(context: G): Y | Promise<Y>;
  shutdown?(context: G & Extension<Y>): void | Promise<void>;
}

/** What a lifecycle adds to the context; nothing if it yields nothing. */
export type Extension<Y> = [Y] extends [never] ? unknown : Y extends object ? Y : unknown;

/** @throws {@link InvalidArgumentError} for anything of another shape. */
export function checkLifecycle(owner: string, lifecycle: unknown): void {
  if (typeof lifecycle === 'function') return;
  const shape = 'a generator function or an object with setup and shutdown functions';
  if (typeof lifecycle !== 'object' || lifecycle === null) {
    throw new InvalidArgumentError(`${owner}: lifecycle`, shape, describe(lifecycle));
  }
  const { setup, shutdown } = lifecycle as Partial<LifecycleObject<object, unknown>>;
  if (setup === undefined && shutdown === undefined) {
    throw new InvalidArgumentError(`${owner}: lifecycle`, shape, 'an object without either');
  }
  if (setup !== undefined) checkFunction(`${owner}: lifecycle.setup`, setup);
  if (shutdown !== undefined) checkFunction(`${owner}: lifecycle.shutdown`, shutdown);
}

/** Undoes what a setup did. */
export type Shutdown = () => Promise<void>;

/**
 * Runs the first half of a lifecycle on a context, which it fills, and returns the second half.
 * Rejects with what the lifecycle threw, or with an {@link InvalidArgumentError} if it has the wrong shape after all.
 */
export async function setUp(lifecycle: Lifecycle, context: object): Promise<Shutdown> {
  if (typeof lifecycle === 'function') return setUpGenerator(lifecycle, context);
  const shutdown = async (): Promise<void> => lifecycle.shutdown?.(context);
  await fillOrUndo(context, await lifecycle.setup?.(context), shutdown);
  return shutdown;
}

async function setUpGenerator(lifecycle: LifecycleGenerator<any, unknown>, context: object): Promise<Shutdown> {
  const generator = checkGenerator(lifecycle(context));
  const first = await generator.next();
  if (first.done === true) {
    throw new InvalidArgumentError('lifecycle', 'a generator that yields once', 'one that never yields');
  }
  await fillOrUndo(context, first.value, async () => void (await generator.return()));
  return async () => {
    const last = await generator.next();
    if (last.done === true) return;
    await generator.return();
    throw new InvalidArgumentError('lifecycle', 'a generator that yields once', 'one that yields twice');
  };
}

/** What was set up is undone if what it gave cannot be used. */
async function fillOrUndo(context: object, extension: unknown, undo: Shutdown): Promise<void> {
  try {
    fill(context, extension);
  } catch (thrown) {
    try {
      await undo();
    } catch (undone) {
      throw new UndoFailure([thrown, undone]);
    }
    throw thrown;
  }
}

/** A set-up failed, and so did what undoes it. */
class UndoFailure extends Error {
  readonly #causes: readonly unknown[];

  constructor(causes: readonly unknown[]) {
    super(describeThrown(causes[0]));
    this.#causes = causes;
  }

  /** Does not look at what users threw, which may be hostile. */
  static causesOf(failure: unknown): readonly unknown[] {
    return typeof failure === 'object' && failure !== null && #causes in failure ? failure.#causes : [failure];
  }
}

/** What {@link setUp} met with, in the order in which it happened. */
export function causesOf(failure: unknown): readonly unknown[] {
  return UndoFailure.causesOf(failure);
}

type AnyGenerator = AsyncGenerator<unknown, void, void> | Generator<unknown, void, void>;

function checkGenerator(made: unknown): AnyGenerator {
  const generator = made as Partial<AnyGenerator> | null | undefined;
  if (typeof generator?.next === 'function' && typeof generator.return === 'function') return made as AnyGenerator;
  throw new InvalidArgumentError('lifecycle', 'a generator function', `a function that returned ${describe(made)}`);
}

/** A bag of named things is merged, nothing is fine, anything else is a mistake. */
function fill(context: object, extension: unknown): void {
  if (extension === undefined) return;
  if (!isPlain(extension)) {
    throw new InvalidArgumentError(
      'lifecycle',
      'yielding a plain object or nothing',
      `yielding ${describe(extension)}`,
    );
  }
  for (const [name, value] of Object.entries(extension)) {
    // Not by assignment: that would make something else of a name such as __proto__.
    Object.defineProperty(context, name, { value, writable: true, enumerable: true, configurable: true });
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A context of its own for each set-up: a shallow copy of what the user gave. */
export function freshContext(given: object | undefined): Record<string, unknown> {
  return { ...given };
}

/** @throws {@link InvalidArgumentError} for anything but a plain object, whose copy would lose something. */
export function checkContext(owner: string, context: unknown): void {
  if (!isPlain(context)) throw new InvalidArgumentError(`${owner}: context`, 'a plain object', describe(context));
}

/** A failed start, with what failed when it was undone; that it was given up is no failure. */
export function withUndone(error: unknown, undone: readonly unknown[]): unknown {
  if (undone.length === 0) return error;
  if (error instanceof QueueClosedError) return new LifecycleError(error.message, undone);
  const causes = error instanceof LifecycleError ? error.errors : [error];
  return new LifecycleError(describeThrown(error), [...causes, ...undone]);
}
