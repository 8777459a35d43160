import { context, propagation, SpanKind } from '@opentelemetry/api';
import type { CollectorEvent } from '../core/event.ts';
import type { SendTrace } from '../core/tracing.ts';
import { AttributeName } from './conventions.ts';
import { safely } from './failure.ts';
import { carriedBy, deliveryAttributes, type Operation, spanIn } from './operation.ts';
import type { Observer } from './subscription.ts';
import type { Telemetry } from './telemetry.ts';

/** Spans and metrics of sends. The context of the span goes along in the headers. */
export class SendObserver implements Observer<SendTrace> {
  readonly #telemetry: Telemetry;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  begin(send: SendTrace): Operation {
    // A span that somebody gave the payloads to come from is kept: this one does not make them then.
    const given = spanIn(carriedBy(send.given));
    const operation = this.#telemetry.begin('send', {
      engine: send.engine,
      destination: destinationOf(send),
      kind: given === undefined ? SpanKind.PRODUCER : SpanKind.CLIENT,
      links: given === undefined ? [] : [{ context: given }],
      attributes: {
        ...deliveryAttributes(send),
        ...(send.count !== 1 && { [AttributeName.BATCH_COUNT]: send.count }),
      },
      parent: context.active(),
    });
    if (given === undefined) safely(() => propagation.inject(operation.context, send.headers));
    return operation;
  }

  end(send: SendTrace, operation: Operation): void {
    const [only] = eventsOf(send);
    if (send.count === 1 && only !== undefined) operation.span.setAttribute(AttributeName.MESSAGE_ID, only.id);
    this.#telemetry.end(operation, send.count, failuresOf(send));
  }
}

/** Where all of it goes, if that is one place. */
function destinationOf({ delivery, keys = [], topics = [] }: SendTrace): string | undefined {
  const names = delivery === 'key' ? keys : delivery === 'topic' ? topics : [];
  return names.length === 1 ? names[0] : undefined;
}

function eventsOf({ result }: SendTrace): readonly CollectorEvent[] {
  if (result === undefined) return [];
  return Array.isArray(result) ? result : [result as CollectorEvent];
}

/** An error for each payload that was not taken. */
function failuresOf(send: SendTrace): readonly unknown[] {
  if ('error' in send) return Array.from({ length: send.count }, () => send.error);
  return eventsOf(send).flatMap(refusalOf);
}

/** The `Err` of an event that has settled by now, and not by a collector. In an array: it may be undefined. */
function refusalOf(event: CollectorEvent): readonly unknown[] {
  const results = event.status === 'settled' ? event.getResult() : undefined;
  return results === undefined || results.delivered > 0 ? [] : results.errs();
}
