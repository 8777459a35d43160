import PQueue from 'p-queue';
import { asError } from '../core/errors.ts';
import type {
  BatchCourier,
  BatchDesk,
  Consignment,
  EmitterEvent,
  Left,
  Trial,
  TrialOutcome,
} from '../emitter/index.ts';
import type { StoredEvent } from '../store/index.ts';
import type { Delivered, FailedStatus } from './delivered.ts';
import { HttpStatusError } from './errors.ts';
import { Parting } from './parting.ts';
import { type BuiltRequest, RequestBuilder } from './request-builder.ts';
import { parseRetryAfter } from './retry-after.ts';
import type { HttpEmitterSettings } from './settings.ts';
import { type Reply, type Request, Transport } from './transport.ts';
import { verdictOn, willRetry } from './verdict.ts';

type Events = readonly StoredEvent[];

/** How far a batch has come. */
interface Stage {
  readonly consignment: Consignment;
  readonly parting: Parting;
  /** How many events of the batch were sent before. */
  readonly sentBefore: number;
}

type PartedTrial = Trial & Pick<Stage, 'parting'>;

const NOTHING: TrialOutcome = { failed: false, sent: 0, again: [] };

/**
 * Takes a batch from the store to the server: makes its requests, and does with each event what the answer says. Every
 * event of the batch is acknowledged in the end, or released.
 */
export class Courier implements BatchCourier {
  readonly most: number;
  readonly room: number;
  readonly #settings: HttpEmitterSettings;
  readonly #desk: BatchDesk<Delivered, FailedStatus>;
  readonly #builder: RequestBuilder;
  readonly #transport: Transport;
  /** Each request takes one, if there is a limit to how many may begin. */
  readonly #turns: PQueue | undefined = undefined;
  /** Whether parting what is refused has come to nothing, and no request was taken since. */
  #isPartingVain = false;

  constructor(settings: HttpEmitterSettings, desk: BatchDesk<Delivered, FailedStatus>) {
    const { rateLimit, method, batchSize, byteLimit } = settings;
    this.#settings = settings;
    this.#desk = desk;
    this.#builder = new RequestBuilder(settings);
    this.#transport = new Transport(settings);
    this.most = method === 'get' ? 1 : batchSize;
    this.room = byteLimit - this.#builder.envelope;
    if (rateLimit !== undefined) {
      this.#turns = new PQueue({ intervalCap: rateLimit.requests, interval: rateLimit.interval, strict: true });
    }
  }

  sizeOf(event: EmitterEvent): number {
    return this.#builder.sizeOf(event);
  }

  async deliver(consignment: Consignment): Promise<Left> {
    const { stop } = consignment;
    const isParted = this.#settings.splitRefused && !this.#isPartingVain;
    const parting = new Parting(isParted ? consignment.events.length : 0);
    let parts: Events[] = [consignment.events];
    let sentBefore = 0;
    let failed = false;
    while (parts.length > 0 && !failed) {
      await this.#mayBegin(stop);
      if (stop.aborted || this.#desk.delay > 0) break;
      const [part = [], ...others] = parts;
      const built = this.#builder.build(part);
      const outcome = await this.#tryOne({ consignment, parting, sentBefore }, built);
      failed = outcome.failed;
      sentBefore += outcome.sent;
      parts = [...outcome.again, built.rest, ...others].filter((some) => some.length > 0);
      // What was too much for one request goes with those that wait, rather than in a small one of its own.
      if (parts.length === 1 && parts[0] === built.rest) break;
    }
    if (parting.isUsedUp && sentBefore === 0) this.#isPartingVain = true;
    const left = parts.flat();
    if (left.length > 0) await this.#desk.release(consignment, left);
    return { left: left.length, failed };
  }

  /** Resolves when one more request may begin, or none at all. */
  async #mayBegin(signal: AbortSignal): Promise<void> {
    await this.#turns?.add(() => undefined, { signal }).catch(() => undefined);
  }

  async #tryOne(
    { consignment, parting, sentBefore }: Stage,
    { request, events, unsendable }: BuiltRequest,
  ): Promise<TrialOutcome> {
    const trial = { ...this.#desk.begin(consignment, events, sentBefore), parting };
    for (const [at, [event, reason]] of unsendable.entries()) {
      const outcome = await this.#desk.refuse({ ...trial, events: [event] }, reason, { status: undefined });
      const untried = unsendable.slice(at + 1).map(([one]) => one);
      if (outcome.failed) return { ...outcome, again: [...outcome.again, untried, events] };
    }
    return request === undefined ? NOTHING : this.#attempt(trial, request);
  }

  async #attempt(trial: PartedTrial, request: Request): Promise<TrialOutcome> {
    const { body, url } = request;
    this.#desk.requested(Buffer.byteLength(body ?? url.slice(url.indexOf('?') + 1)));
    try {
      return await this.#obey(trial, await this.#transport.send(request, trial.consignment.stop));
    } catch (thrown) {
      this.#desk.requestFailed();
      return this.#desk.failed(trial, asError(thrown), { status: undefined });
    }
  }

  /** Does what the answer says. */
  async #obey(trial: PartedTrial, { status, retryAfter }: Reply): Promise<TrialOutcome> {
    const { retryCodes, clock, maxRetryAfter } = this.#settings;
    const verdict = verdictOn(status, retryCodes);
    if (verdict === 'sent') {
      this.#isPartingVain = false;
      return this.#desk.sent(trial, { status });
    }
    this.#desk.requestFailed();
    const again = verdict === 'retry' || (verdict === 'tooLarge' && willRetry(status, retryCodes));
    const error = new HttpStatusError(status, again);
    if (verdict === 'tooLarge' && trial.events.length > 1) return this.#desk.halve(trial, error, { status });
    if (verdict === 'refused' && trial.parting.allows(status, trial.events.length)) {
      return this.#desk.halve(trial, error, { status });
    }
    if (!again) return this.#desk.refuse(trial, error, { status });
    return this.#desk.failed(trial, error, { status }, parseRetryAfter(retryAfter, clock.wall(), maxRetryAfter));
  }
}
