/**
 * Who may run in this process: many jobs side by side, or one alone. Who wants to run alone waits until the others have
 * ended, and nobody begins meanwhile.
 */
export class Permits {
  #running = 0;
  #alone = false;
  readonly #waiting: { readonly alone: boolean; readonly begin: () => void }[] = [];

  /** Resolves to what gives the permit back; undefined at once if it is to be had now. */
  take(alone: boolean): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#isFree(alone)) {
      this.#begin(alone);
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push({ alone, begin: resolve }));
  }

  give(alone: boolean): void {
    if (alone) this.#alone = false;
    else this.#running--;
    for (let next = this.#waiting[0]; next !== undefined && this.#isFree(next.alone); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#begin(next.alone);
      next.begin();
    }
  }

  #isFree(alone: boolean): boolean {
    return !this.#alone && (!alone || this.#running === 0);
  }

  #begin(alone: boolean): void {
    if (alone) this.#alone = true;
    else this.#running++;
  }
}

/** One for the process: what ends it ends every queue's jobs. */
export const processPermits: Permits = new Permits();
