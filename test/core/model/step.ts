import type fc from 'fast-check';

/** One step: done to the model and to the real thing, which are then compared. */
export abstract class ModelStep<M extends object, S extends object> implements fc.AsyncCommand<M, S> {
  readonly #name: string;
  readonly #run: (model: M, system: S) => void | Promise<void>;
  readonly #possible: (model: M) => boolean;

  constructor(
    name: string,
    run: (model: M, system: S) => void | Promise<void>,
    possible: (model: M) => boolean = () => true,
  ) {
    this.#name = name;
    this.#run = run;
    this.#possible = possible;
  }

  protected abstract compare(model: M, system: S): Promise<void>;

  check(model: M): boolean {
    return this.#possible(model);
  }

  async run(model: M, system: S): Promise<void> {
    await this.#run(model, system);
    await this.compare(model, system);
  }

  toString(): string {
    return this.#name;
  }
}
