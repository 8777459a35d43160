import type { Writable } from 'node:stream';

/** The most commands that are written together. More would save next to nothing, and lie here while Redis could begin. */
const MOST = 8;

/**
 * Commands that are given to a connection within a tick leave in few writes. Each write is a call of the system; with one for
 * each command, nothing else takes a worker as long.
 *
 * A command for a Redis that has nothing in hand is written at once, and those behind it in groups of up to twice what it
 * has in hand: 1, 2, 6, 8, 8, … The rest goes at the end of the tick. So Redis always has some to go on with: if all jobs of
 * a worker that end together were written together, the two would wait for one another in turn.
 */
export class WriteGroups {
  #socket: Writable | undefined;
  /** Commands of the group that is not written yet. */
  #held = 0;
  #endDue = false;

  /** A command is about to be given to the socket, where so many have no answer yet. Whether it is the last of its group. */
  join(socket: Writable, unanswered: number): boolean {
    const size = Math.min(MOST, 2 * (unanswered - this.#held));
    if (this.#held === 0) {
      if (size < 2) return false;
      this.#begin(socket);
    }
    this.#held++;
    return this.#held >= size;
  }

  /** The group is complete. */
  end(): void {
    this.#held = 0;
    this.#socket?.uncork();
    this.#socket = undefined;
  }

  #begin(socket: Writable): void {
    this.#socket = socket;
    socket.cork();
    if (this.#endDue) return;
    this.#endDue = true;
    process.nextTick(() => {
      this.#endDue = false;
      this.end();
    });
  }
}
