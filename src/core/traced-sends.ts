import { tracingChannel } from 'node:diagnostics_channel';
import type { CollectorEvent } from './event.ts';
import type { Payload } from './payload.ts';
import type { Sender } from './publisher.ts';
import type { SendOptions } from './task-options.ts';
import { deliveryOf, isWatched, type SendTrace, type TracedEngine, TracingChannelName } from './tracing.ts';

const sends = tracingChannel<SendTrace, SendTrace>(TracingChannelName.SEND);

/** The sender, with each send told to the subscribers, if there are any now. */
export function tracedSender(sender: Sender, engine: TracedEngine): Sender {
  if (!isWatched(sends)) return sender;
  const sendOne = (payload: Payload, given?: SendOptions): CollectorEvent =>
    traceSend([payload], engine, given, (options) =>
      options === undefined ? sender.send(payload) : sender.sendWith(payload, options),
    );
  const sendAll = (payloads: readonly Payload[], given?: SendOptions): CollectorEvent[] =>
    traceSend(payloads, engine, given, (options) => {
      if (options !== undefined) return sender.sendManyWith(payloads, options);
      return sender.sendMany?.(payloads) ?? payloads.map((payload) => sender.send(payload));
    });
  return {
    send: sendOne,
    sendWith: sendOne,
    sendMany: sendAll,
    sendManyWith: sendAll,
    sendWhenReady: (payload, given) =>
      traceSend([payload], engine, given, (options) => sender.sendWhenReady(payload, options ?? given)),
    ready: () => sender.ready(),
  };
}

function traceSend<R extends CollectorEvent | CollectorEvent[] | Promise<CollectorEvent>>(
  payloads: readonly Payload[],
  engine: TracedEngine,
  given: SendOptions | undefined,
  send: (options: SendOptions | undefined) => R,
): R {
  const [only] = payloads;
  const delivery = payloads.length === 1 && only !== undefined ? deliveryOf(only) : {};
  const trace: SendTrace = { engine, count: payloads.length, ...delivery, headers: {}, given: given?.headers };
  return sends.start.runStores(trace, () => {
    try {
      const sent = send(withHeaders(given, trace.headers));
      if (sent instanceof Promise) followSend(sent, trace);
      else trace.result = sent as Exclude<R, Promise<CollectorEvent>>;
      return sent;
    } catch (thrown) {
      trace.error = thrown;
      sends.error.publish(trace);
      throw thrown;
    } finally {
      sends.end.publish(trace);
    }
  });
}

/** What is wrong stays as it is, to be refused for what it is. */
function withHeaders(given: SendOptions | undefined, added: Readonly<Record<string, string>>): SendOptions | undefined {
  if (Object.keys(added).length === 0) return given;
  if (given === undefined) return { headers: { ...added } };
  if (!isPlain(given) || !(given.headers === undefined || isPlain(given.headers))) return given;
  return { ...given, headers: { ...added, ...given.headers } };
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function followSend(sent: Promise<CollectorEvent>, trace: SendTrace): void {
  const over = (): void => {
    sends.asyncStart.publish(trace);
    sends.asyncEnd.publish(trace);
  };
  sent.then(
    (event) => {
      trace.result = event;
      over();
    },
    (reason) => {
      trace.error = reason;
      sends.error.publish(trace);
      over();
    },
  );
}
