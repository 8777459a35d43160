/**
 * One trace from a request to the last thing that it caused: two collectors, the second with retries, and what the
 * second one calls. With `processSpans: 'child'` all of it is one tree; by default each attempt has its own trace, and a link.
 */
import { trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { Collector, CollectorQueue, type Payload } from 'collector-queue';
import { CollectorQueueInstrumentation } from 'collector-queue/opentelemetry';

// In a service: a NodeSDK with an exporter, and `instrumentations: [new CollectorQueueInstrumentation()]`.
const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
new CollectorQueueInstrumentation({ processSpans: 'child' });

const tracer = trace.getTracer('shop');

const orders = new Collector('orders', async ({ value }: Payload<string>) => {
  // What a processor sends is a child of its attempt.
  await publisher.publish(`a bill for ${value}`, { keys: 'mail' }).wait();
});

const mail = new Collector(
  'mail',
  async ({ value }: Payload<string>, _, { number }) => {
    // So are its own spans, after an await too.
    await tracer.startActiveSpan('smtp', async (span) => {
      span.setAttribute('mail.subject', value);
      span.end();
    });
    if (number === 1) throw new RangeError('the mailbox is full');
  },
  { retry: { attempts: 2, base: 1 } },
);

const queue = new CollectorQueue([orders, mail]);
const publisher = queue.getPublisher();
await queue.initQueue();

await tracer.startActiveSpan('POST /orders', async (request) => {
  await publisher.publish('two teapots', { keys: 'orders' }).wait();
  request.end();
});
await queue.shutDownQueue();

function printUnder(parent: string | undefined, indent: string): void {
  const spans = exporter.getFinishedSpans().filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent);
  for (const span of spans.sort(byBeginning)) {
    const { 'error.type': error, 'messaging.collector_queue.attempt': attempt } = span.attributes;
    const notes = [attempt && `attempt ${attempt}`, error && `${error}: ${span.status.message}`].filter(Boolean);
    console.log(`${indent}${span.name}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`);
    printUnder(span.spanContext().spanId, `${indent}  `);
  }
}

function byBeginning(a: ReadableSpan, b: ReadableSpan): number {
  return a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1];
}

printUnder(undefined, '');

/* Output:
POST /orders
  send orders
    process orders (attempt 1)
      send mail
        process mail (attempt 1, RangeError: the mailbox is full)
          smtp
        process mail (attempt 2)
          smtp
*/
