import { SpoolRefusedError } from '../errors.ts';
import type { HeldEvent } from './held-event.ts';
import { Link, type LinkHost } from './link.ts';
import type { Counters } from './metrics.ts';
import { fitsAlone, Outbox, roomFor } from './outbox.ts';
import type { Refusal } from './replies.ts';
import type { Reporter } from './reporter.ts';
import { RetryDelay } from './retry-delay.ts';
import type { SocketEmitterSettings } from './settings.ts';
import { Standstill } from './standstill.ts';

/** What the parts of one emitter share. */
export interface SharedParts {
  readonly settings: SocketEmitterSettings;
  readonly counters: Counters;
  readonly reporter: Reporter;
}

/** Where a channel gets events from, and who is told what became of them. */
export interface ChannelHost {
  /** The oldest events that wait, at most so many bytes of them, commas included; one at least, if there is any. */
  next(bytes: number): readonly HeldEvent[];
  /** There is room for more than there is. */
  starving(): void;
  acknowledged(events: readonly HeldEvent[]): void;
  /** Nobody will send this one again. */
  refused(event: HeldEvent, reason: SpoolRefusedError): void;
  /** The connection is lost; another will be made. */
  lost(): void;
}

/** Sends numbered frames, within the window, and again where that is needed, until each is acknowledged. */
export class Channel implements LinkHost {
  readonly #settings: SocketEmitterSettings;
  readonly #counters: Counters;
  readonly #reporter: Reporter;
  readonly #host: ChannelHost;
  readonly #link: Link;
  readonly #outbox = new Outbox();
  readonly #standstill: Standstill;
  readonly #retry: RetryDelay;
  /** The daemon's longest line. */
  #longest = 0;
  #isPumpDue = false;

  constructor(parts: SharedParts, client: string | undefined, host: ChannelHost) {
    const { settings, counters, reporter } = parts;
    this.#settings = settings;
    this.#counters = counters;
    this.#reporter = reporter;
    this.#host = host;
    this.#link = new Link(parts, client, this);
    this.#retry = new RetryDelay(settings.maxRetryDelay);
    this.#standstill = new Standstill(settings.clock, settings.connectTimeout, {
      over: () => this.wake(),
      stuck: () => this.#link.reconnect('the daemon does not answer every frame'),
    });
  }

  get isConnected(): boolean {
    return this.#link.isReady;
  }

  /** Whether what comes now can be sent without waiting for somebody. */
  get isFlowing(): boolean {
    return this.#link.isReady && !this.#standstill.isOn;
  }

  /** Whether there is room in the window, and nothing else to be sent. */
  get isStarving(): boolean {
    return this.isFlowing && !this.#outbox.hasUnsent && this.#outbox.bytes < this.#settings.windowBytes;
  }

  /** How many bytes of events a frame can hold. */
  get room(): number {
    return roomFor(this.#longest);
  }

  /** How many events have a number. */
  get size(): number {
    return this.#outbox.size;
  }

  /** These. */
  get events(): readonly HeldEvent[] {
    return this.#outbox.events;
  }

  /** Connects, if it was never told to. */
  start(): void {
    this.#link.start();
  }

  stop(): void {
    this.#link.stop();
    this.#standstill.stop();
  }

  /** Does not wait for a delay between two attempts. */
  hurry(): void {
    this.#link.hurry();
    this.#standstill.hurry();
  }

  /** Something may be there to be sent. What comes within one turn of the event loop leaves in one write. */
  wake(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.#settings.clock.yieldTurn(() => this.#pump());
  }

  /** Gives events their numbers. Must not be called before it was connected. */
  frame(events: readonly HeldEvent[]): void {
    const fitting = events.filter((event) => fitsAlone(event, this.#longest));
    this.#outbox.add(fitting, this.#longest);
    if (fitting.length === events.length) return;
    for (const event of events) if (!fitsAlone(event, this.#longest)) this.#refuseTooLarge(event);
  }

  welcomed(committed: number, maxFrame: number): boolean {
    const durable = this.#outbox.resume(committed);
    if (durable === undefined) return false;
    this.#longest = maxFrame;
    this.#host.acknowledged(durable);
    for (const event of this.#outbox.shorten(maxFrame)) this.#refuseTooLarge(event);
    this.wake();
    return true;
  }

  acknowledged(seq: number): void {
    const durable = this.#outbox.acknowledge(seq);
    if (durable === undefined) {
      this.#link.reconnect(`the daemon acknowledged frame ${seq}, which does not exist`);
      return;
    }
    this.#retry.succeeded();
    this.#host.acknowledged(durable);
    this.wake();
  }

  refused({ code, message, retryable, seq }: Refusal & { readonly seq: number }): void {
    if (this.#outbox.isKnown(seq)) return;
    if (code === 'gap' || !this.#outbox.refuse(seq)) {
      this.#followed(seq, code);
      return;
    }
    const reason = new SpoolRefusedError(code, message, retryable);
    if (retryable) {
      this.#standstill.begin(this.#retry.failed(), !this.#outbox.isRefusing);
      if (this.#retry.failures === 1) this.#reporter.warn(`it will be tried again: ${reason.message}`);
    } else {
      this.#standstill.begin(0, !this.#outbox.isRefusing);
      const event = this.#outbox.giveUpNext();
      if (event !== undefined) this.#host.refused(event, reason);
    }
  }

  drained(): void {
    this.wake();
  }

  lost(): void {
    this.#standstill.stop();
    this.#host.lost();
  }

  renamed(): void {
    this.#outbox.renumber();
  }

  #pump(): void {
    this.#isPumpDue = false;
    if (!this.isFlowing || !this.#link.isWritable) return;
    let lines = '';
    while (this.#outbox.bytes < this.#settings.windowBytes && this.#fill()) lines += this.#outbox.next();
    if (lines !== '') {
      const bytes = Buffer.from(lines);
      this.#counters.bytes += bytes.length;
      this.#link.write(bytes);
    }
    if (this.isStarving) this.#host.starving();
  }

  /** Whether there is a frame to be sent; makes one of what waits, if need be. */
  #fill(): boolean {
    while (!this.#outbox.hasUnsent) {
      const events = this.#host.next(this.room);
      if (events.length === 0) return false;
      this.frame(events);
    }
    return true;
  }

  /** A frame that was sent after a refused one is refused, too; or the daemon and we do not agree on the numbers. */
  #followed(seq: number, code: string): void {
    if (!this.#outbox.answered()) this.#link.reconnect(`the daemon refused frame ${seq} out of turn (${code})`);
    else if (!this.#outbox.isRefusing) this.#standstill.settled();
  }

  #refuseTooLarge(event: HeldEvent): void {
    const message = `the event has ${event.bytes} bytes, which is too much for a line of ${this.#longest}`;
    this.#host.refused(event, new SpoolRefusedError('frame_too_large', message, false));
  }
}
