import type { RemoteEvent } from './remote-event.ts';

/** What a process counts of its sends and jobs: offered = accepted + rejected + pending. */
export class Tally {
  /** Payloads of which Redis has not acknowledged every job. */
  pending = 0;
  /** Redis has acknowledged them, or they were cancelled before, or matched nobody. */
  accepted = 0;
  rejected = 0;
  /** Of the accepted, as far as is known here. */
  settled = 0;
  cancelled = 0;
  unrouted = 0;
  /** Jobs that were not believed. */
  quarantined = 0;

  /** An event is on its way to Redis. */
  sending(event: RemoteEvent): void {
    event.standing = 'pending';
    this.pending++;
  }

  accept(event: RemoteEvent): void {
    this.#leave(event);
    event.standing = 'accepted';
    this.accepted++;
    if (event.isSettled) this.settled++;
  }

  reject(event: RemoteEvent): void {
    this.#leave(event);
    event.standing = 'rejected';
    this.rejected++;
  }

  settle(event: RemoteEvent): void {
    if (event.standing === 'accepted') this.settled++;
  }

  #leave({ standing }: RemoteEvent): void {
    if (standing === 'pending') this.pending--;
  }
}
