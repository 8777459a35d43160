import type { HeldEvent } from './held-event.ts';

/** Events that share a number. They stay together until the daemon has them, or refuses them for good. */
interface Frame {
  readonly events: readonly HeldEvent[];
  readonly bytes: number;
}

/** What stands in a line beside the events, with the longest number and the line feed. */
const ENVELOPE = '{"$":"events","seq":9007199254740991,"events":[]}\n'.length;

/**
 * The frames that are not acknowledged. Their numbers follow one another, so the place of a frame is its number:
 *
 *     acknowledged │ frames[0] … frames[sent − 1] │ frames[sent] …
 *                  │ on this connection           │ to be sent (again)
 *
 * A frame keeps its events and its number until the daemon has acknowledged it, for one that was sent may be durable though
 * the answer was lost. Only after a refusal for good is that otherwise: the daemon takes no number from there on before
 * the refused one comes again, and so those are free.
 */
export class Outbox {
  #frames: Frame[] = [];
  #sent = 0;
  #acknowledged = 0;
  #size = 0;
  /** Of frames that are sent. */
  #bytes = 0;
  /** Answers that are still to come to frames which were sent after one that was refused. */
  #overdue = 0;

  /** How many events there are in frames. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that are sent and not acknowledged. */
  get bytes(): number {
    return this.#bytes;
  }

  get hasUnsent(): boolean {
    return this.#sent < this.#frames.length;
  }

  /**
   * Whether frames that were sent after a refused one wait for their refusal. Nothing can be sent meanwhile: who sends the
   * same number twice cannot tell which of the two an answer is for.
   */
  get isRefusing(): boolean {
    return this.#overdue > 0;
  }

  get events(): HeldEvent[] {
    return this.#frames.flatMap(({ events }) => events);
  }

  /** Gives events the next number; more than one, if they are more than a line can hold. Each alone must fit. */
  add(events: readonly HeldEvent[], longest: number): void {
    for (const event of events) event.place = 'framed';
    this.#size += events.length;
    this.#frames.push(...framesOf(events, longest));
  }

  /** Whether a frame of this number is acknowledged. */
  isKnown(seq: number): boolean {
    return seq <= this.#acknowledged;
  }

  /** The line of the next frame, which counts as sent now. */
  next(): string {
    const { events, bytes } = this.#frames[this.#sent] as Frame;
    this.#sent++;
    this.#bytes += bytes;
    const seq = this.#acknowledged + this.#sent;
    return `{"$":"events","seq":${seq},"events":[${events.map(({ text }) => text).join()}]}\n`;
  }

  /** Everything up to this number is durable. Returns those events, or undefined if there is no such number. */
  acknowledge(seq: number): readonly HeldEvent[] | undefined {
    if (!Number.isSafeInteger(seq) || seq < 0 || seq > this.#acknowledged + this.#frames.length) return undefined;
    if (seq <= this.#acknowledged) return [];
    const durable = this.#frames.splice(0, seq - this.#acknowledged);
    this.#acknowledged = seq;
    for (const { bytes } of durable.slice(0, this.#sent)) this.#bytes -= bytes;
    this.#sent = Math.max(0, this.#sent - durable.length);
    const events = durable.length === 1 ? (durable[0] as Frame).events : durable.flatMap((frame) => frame.events);
    this.#size -= events.length;
    return events;
  }

  /**
   * A new connection: what `committed` does not cover is to be sent again. Returns the events that it covers, or undefined if
   * this is no number that the daemon can know.
   */
  resume(committed: number): readonly HeldEvent[] | undefined {
    this.#rewind(0);
    this.#overdue = 0;
    return committed < this.#acknowledged ? undefined : this.acknowledge(committed);
  }

  /** Numbers what is left from 1, for a daemon that knows nothing of it. */
  renumber(): void {
    this.#rewind(0);
    this.#overdue = 0;
    this.#acknowledged = 0;
  }

  /**
   * The frame of this number was refused, and so will be those that were sent after it. Returns whether that is so: else it is
   * one of these answers, or one that means nothing.
   */
  refuse(seq: number): boolean {
    const place = seq - this.#acknowledged - 1;
    if (place < 0 || place >= this.#sent) return false;
    this.#overdue += this.#sent - place - 1;
    this.#rewind(place);
    return true;
  }

  /** An answer came to a frame that was sent after a refused one. Returns whether one was due. */
  answered(): boolean {
    if (this.#overdue === 0) return false;
    this.#overdue--;
    return true;
  }

  /** The first frame that is not sent, was refused for good: halves it. Returns the event if there is only one, which goes. */
  giveUpNext(): HeldEvent | undefined {
    const { events } = this.#frames[this.#sent] as Frame;
    if (events.length === 1) {
      this.#frames.splice(this.#sent, 1);
      this.#size--;
      return events[0];
    }
    const middle = Math.ceil(events.length / 2);
    this.#frames.splice(this.#sent, 1, frameOf(events.slice(0, middle)), frameOf(events.slice(middle)));
    return undefined;
  }

  /** The daemon takes shorter lines than before: it was started anew, so nothing of what it has not acknowledged is with it. */
  shorten(longest: number): HeldEvent[] {
    const tooLarge: HeldEvent[] = [];
    this.#frames = this.#frames.flatMap((frame) => {
      if (frame.bytes <= longest) return [frame];
      const kept = frame.events.filter((event) => fitsAlone(event, longest));
      tooLarge.push(...frame.events.filter((event) => !fitsAlone(event, longest)));
      return framesOf(kept, longest);
    });
    this.#size -= tooLarge.length;
    return tooLarge;
  }

  #rewind(place: number): void {
    for (let at = place; at < this.#sent; at++) this.#bytes -= (this.#frames[at] as Frame).bytes;
    this.#sent = Math.min(this.#sent, place);
  }
}

/** Whether an event can be sent at all. */
export function fitsAlone(event: HeldEvent, longest: number): boolean {
  return ENVELOPE + event.bytes <= longest;
}

/** How many bytes of events, and the commas between them, a line can hold. */
export function roomFor(longest: number): number {
  return longest - ENVELOPE;
}

function frameOf(events: readonly HeldEvent[]): Frame {
  let bytes = ENVELOPE + events.length - 1;
  for (const event of events) bytes += event.bytes;
  return { events, bytes };
}

function framesOf(events: readonly HeldEvent[], longest: number): Frame[] {
  const frames: Frame[] = [];
  for (let from = 0; from < events.length; ) {
    let room = roomFor(longest) + 1;
    let to = from;
    while (to < events.length) {
      room -= (events[to] as HeldEvent).bytes + 1;
      if (room < 0) break;
      to++;
    }
    to = Math.max(to, from + 1);
    frames.push(frameOf(events.slice(from, to)));
    from = to;
  }
  return frames;
}
