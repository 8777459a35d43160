import { checkInteger } from '../core/checks.ts';
import type { AnyCollector } from '../core/collector.ts';
import { QueueType } from '../core/delivery.ts';
import { InvalidArgumentError } from '../core/errors.ts';
import type { Payload } from '../core/payload.ts';
import { type JobOptions, JobPart } from './job-part.ts';
import type { Lane } from './lane.ts';
import { serialized } from './messages/body.ts';
import { impliedIn, type JobHead, writeJob } from './messages/job-message.ts';
import { addressOf } from './names.ts';
import type { RemoteEvent } from './remote-event.ts';
import type { RemoteSendSettings } from './send-options.ts';
import { type BullMQQueueSettings, PRIORITIES } from './settings.ts';

/** Ours begins at −1,000,000; BullMQ's at 1, since 0 means that there is none. */
const PRIORITY_SHIFT = 1 - PRIORITIES.min;

/** A payload on its way out: checked, and serialised once, for however many collectors. */
export class Outgoing {
  readonly payload: Payload;
  readonly sent: RemoteSendSettings;
  readonly #settings: BullMQQueueSettings;
  readonly #now: number;
  readonly #text: string | undefined;

  /** @throws {@link InvalidArgumentError} for a value that the serializer cannot carry, a priority that Redis cannot keep */
  constructor(payload: Payload, sent: RemoteSendSettings, settings: BullMQQueueSettings) {
    checkPriority(payload, settings.queueType);
    this.payload = payload;
    this.sent = sent;
    this.#settings = settings;
    this.#now = Math.floor(settings.clock.wall());
    this.#text = serialized(settings.serializer, payload.value);
  }

  /** When the whole payload is due, if that is later. */
  get due(): number | undefined {
    const delay = delayFrom(this.sent.delay, this.#now);
    return delay > 0 ? this.#now + delay : undefined;
  }

  partFor(event: RemoteEvent, lane: Lane, collector: AnyCollector): JobPart {
    const { seal, prefix, queueType, defaultPriority } = this.#settings;
    const { payload, sent } = this;
    const jobId = lane.jobIds.of(event.id);
    // A send that has a delay of its own waits as a whole; otherwise the collector's counts.
    const delay = Math.ceil(delayFrom(sent.delay ?? collector.settings.delay, this.#now));
    const head: JobHead = {
      event: event.id,
      key: lane.key,
      delivery: payload.delivery,
      keys: payload.keys,
      topics: payload.topics,
      priority: payload.priority,
      headers: sent.headers,
      sentAt: this.#now,
      expiresAt: sent.expiresAt,
      timeout: sent.timeout,
      retry: sent.retry,
      reply: sent.reply,
    };
    const options: { -readonly [K in keyof JobOptions]: JobOptions[K] } = { jobId };
    if (delay > 0) options.delay = delay;
    if (queueType === QueueType.LIFO) options.lifo = true;
    if (queueType === QueueType.PRIORITY) options.priority = (payload.priority ?? defaultPriority) + PRIORITY_SHIFT;
    const due = this.#now + delay;
    const body = writeJob(head, this.#text, impliedIn(seal.signs, event.id, lane.key, due));
    return new JobPart(event, lane, seal.close('job', addressOf(prefix, lane.queueName, jobId), due, body), options);
  }
}

function checkPriority({ priority }: Payload, queueType: QueueType): void {
  if (priority === undefined) return;
  checkInteger('Payload: priority', priority, PRIORITIES);
  if (queueType !== QueueType.LIFO) return;
  const expected = 'absent in a LIFO queue: Redis would ignore that the newest comes first';
  throw new InvalidArgumentError('Payload: priority', expected, `${priority}`);
}

function delayFrom(delay: RemoteSendSettings['delay'], now: number): number {
  if (delay === undefined) return 0;
  return Math.max(0, 'at' in delay ? delay.at - now : delay.delay);
}
