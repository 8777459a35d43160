import { strictEqual as equal } from 'node:assert';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Buffer, BufferEntry, Ranked } from '../../src/pool/buffer.ts';
import { FifoBuffer } from '../../src/pool/linked-buffer.ts';
import { survivors } from './garbage.ts';

/** An implementation, and what sets its order apart. Positions are those in an array of what waits, oldest first. */
export interface BufferKind {
  readonly name: string;
  make<E extends BufferEntry<E> & Ranked>(): Buffer<E>;
  /** The position that is to be taken next; the array is not empty. */
  next(waiting: readonly Prioritised[]): number;
  /** The position that an overflow drops; -1 if this implementation drops nothing. */
  victim(waiting: readonly Prioritised[]): number;
  /** How many that left may still be held while `waiting` others wait; 0 if nothing waits, in every implementation. */
  mayLinger(waiting: number, removed: boolean): number;
}

export interface Prioritised {
  readonly priority: number;
}

class Entry implements BufferEntry<Entry>, Ranked {
  next: Entry | undefined = undefined;
  previous: Entry | undefined = undefined;
  slot = -1;
  readonly priority: number;
  readonly number: number;

  constructor(number: number, priority: number) {
    this.number = number;
    this.priority = priority;
  }
}

type Step =
  | { readonly kind: 'push'; readonly priority: number }
  | { readonly kind: 'take' | 'victim' | 'takeElsewhere' | 'removeGone' }
  | { readonly kind: 'remove'; readonly which: number };

const priorities = fc.oneof(
  fc.integer({ min: -2, max: 2 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, Number.MAX_VALUE, -Number.MAX_VALUE),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('push' as const), priority: priorities }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'take' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'victim' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'takeElsewhere' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'removeGone' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), which: fc.nat() }) },
);

/** Many steps of few kinds, so that buffers fill up; and phases of one kind, so that they compact and run dry. */
const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: step.map((one): Step[] => [one]) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(step, fc.integer({ min: 1, max: 90 }))
          .map(([one, times]): Step[] => Array.from({ length: times }, () => one)),
      },
    ),
    { maxLength: 60, size: 'max' },
  )
  .map((phases) => phases.flat());

/** A buffer beside an array that says what is right. */
class Model {
  readonly #kind: BufferKind;
  readonly #buffer: Buffer<Entry>;
  readonly #waiting: Entry[] = [];
  readonly #gone: Entry[] = [];
  /** What was taken waits on, in another buffer, as claimed work does. */
  readonly #elsewhere: FifoBuffer<Entry> = new FifoBuffer<Entry>();
  readonly #taken: Entry[] = [];
  #pushed = 0;

  constructor(kind: BufferKind) {
    this.#kind = kind;
    this.#buffer = kind.make<Entry>();
  }

  do(step: Step): void {
    if (step.kind === 'push') this.#push(step.priority);
    else if (step.kind === 'take') this.#take(this.#kind.next, () => this.#buffer.take());
    else if (step.kind === 'victim') this.#take(this.#kind.victim, () => this.#buffer.takeVictim());
    else if (step.kind === 'takeElsewhere') this.#takeElsewhere();
    else if (step.kind === 'remove') this.#remove(step.which);
    else this.#removeGone();
  }

  check(): void {
    equal(this.#buffer.size, this.#waiting.length);
  }

  drain(): void {
    while (this.#waiting.length > 0) this.#take(this.#kind.next, () => this.#buffer.take());
    equal(this.#buffer.take(), undefined);
    equal(this.#buffer.takeVictim(), undefined);
  }

  #push(priority: number): void {
    const entry = new Entry(this.#pushed++, priority);
    this.#buffer.push(entry);
    this.#waiting.push(entry);
  }

  #take(position: (waiting: readonly Prioritised[]) => number, take: () => Entry | undefined): void {
    const at = this.#waiting.length === 0 ? -1 : position(this.#waiting);
    const expected = at === -1 ? undefined : this.#waiting.splice(at, 1)[0];
    const taken = take();
    equal(taken?.number, expected?.number);
    if (taken === undefined) return;
    this.#elsewhere.push(taken);
    this.#taken.push(taken);
  }

  #takeElsewhere(): void {
    const expected = this.#taken.shift();
    equal(this.#elsewhere.take()?.number, expected?.number);
    if (expected !== undefined) this.#gone.push(expected);
  }

  #remove(which: number): void {
    if (this.#waiting.length === 0) return;
    const [entry] = this.#waiting.splice(which % this.#waiting.length, 1);
    equal(this.#buffer.remove(entry as Entry), true);
    equal(this.#buffer.remove(entry as Entry), false);
    this.#gone.push(entry as Entry);
  }

  #removeGone(): void {
    const entry = this.#gone.at(-1);
    if (entry !== undefined) equal(this.#buffer.remove(entry), false);
  }
}

function fill(buffer: Buffer<Entry>, count: number): WeakRef<Entry>[] {
  return Array.from({ length: count }, (_, number) => {
    const entry = new Entry(number, number % 7);
    buffer.push(entry);
    return new WeakRef(entry);
  });
}

function empty(buffer: Buffer<Entry>, references: readonly WeakRef<Entry>[], from: number, to: number): void {
  for (const reference of references.slice(from, to)) buffer.remove(reference.deref() as Entry);
}

/** What every buffer promises. */
export function aBuffer(kind: BufferKind): void {
  describe(`a buffer: ${kind.name}`, () => {
    test('keeps the order, the size and the victims that an array would give', () => {
      fc.assert(
        fc.property(steps, (all) => {
          const model = new Model(kind);
          for (const one of all) {
            model.do(one);
            model.check();
          }
          model.drain();
          model.check();
        }),
        { numRuns: Number(process.env.FC_RUNS) },
      );
    });

    test('has nothing to take while nothing waits', () => {
      const buffer = kind.make<Entry>();
      expect(buffer.take()).toBeUndefined();
      expect(buffer.takeVictim()).toBeUndefined();
      expect(buffer.remove(new Entry(0, 0))).toBe(false);
      expect(buffer.size).toBe(0);
    });

    test('holds what waits', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 100);
      expect(await survivors(references)).toBe(100);
      expect(buffer.size).toBe(100);
    });

    test('does not keep alive what was taken, while others wait', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 1_000);
      const kept = 100;
      for (let i = kept; i < references.length; i++) buffer.take();
      expect(buffer.size).toBe(kept);
      expect(await survivors(references)).toBeLessThanOrEqual(kept + kind.mayLinger(kept, false));
      expect(buffer.size).toBe(kept);
    });

    test('does not keep alive what an overflow dropped, while others wait', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 1_000);
      const kept = 100;
      if (kind.victim([{ priority: 0 }]) === -1) {
        expect(buffer.takeVictim()).toBeUndefined();
        return;
      }
      for (let i = kept; i < references.length; i++) buffer.takeVictim();
      expect(buffer.size).toBe(kept);
      expect(await survivors(references)).toBeLessThanOrEqual(kept + kind.mayLinger(kept, false));
      expect(buffer.size).toBe(kept);
    });

    test('does not keep alive what was removed, while others wait', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 1_000);
      const kept = 100;
      empty(buffer, references, 50, 950);
      expect(buffer.size).toBe(kept);
      expect(await survivors(references)).toBeLessThanOrEqual(kept + kind.mayLinger(kept, true));
      expect(buffer.size).toBe(kept);
    });

    test('keeps nothing alive once everything was taken', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 50);
      while (buffer.take() !== undefined);
      expect(await survivors(references)).toBe(0);
      expect(buffer.size).toBe(0);
    });

    test('keeps nothing alive once everything was removed', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 50);
      empty(buffer, references, 0, 50);
      expect(await survivors(references)).toBe(0);
      expect(buffer.size).toBe(0);
    });

    test('stays small when entries come and are removed for ever while one waits', async () => {
      const buffer = kind.make<Entry>();
      const references = fill(buffer, 1);
      for (let i = 0; i < 20_000; i++) {
        const entry = new Entry(i, i % 5);
        if (i % 100 === 0) references.push(new WeakRef(entry));
        buffer.push(entry);
        buffer.remove(entry);
      }
      expect(buffer.size).toBe(1);
      expect(await survivors(references)).toBeLessThanOrEqual(2);
      expect(buffer.take()?.number).toBe(0);
    });
  });
}
