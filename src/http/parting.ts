import { mayPart } from './verdict.ts';

/**
 * How often requests of one batch may be halved because they were refused. A bad event among n is found alone after
 * log2(n) halvings; there are enough for four of them. An endpoint that refuses everything gets no more than that.
 */
export class Parting {
  readonly #most: number;
  #halvings = 0;

  /** @param events - of the batch; 0 for one that is not to be parted */
  constructor(events: number) {
    this.#most = events < 2 ? 0 : 4 * Math.ceil(Math.log2(events));
  }

  /** Whether it was parted as often as it may be. */
  get isUsedUp(): boolean {
    return this.#halvings > 0 && this.#halvings === this.#most;
  }

  /** Whether a request with so many events and this answer is to be halved; if so, that is counted. */
  allows(status: number, events: number): boolean {
    if (events < 2 || !mayPart(status) || this.#halvings === this.#most) return false;
    this.#halvings++;
    return true;
  }
}
