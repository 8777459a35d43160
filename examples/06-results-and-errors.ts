/**
 * What can become of a send: `ok` and `err` as the processor returned them, a throw as an `Err(ProcessorError)`, an end
 * from outside as an `Err` that says why. The event always settles; what has a limit is the waiting for it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Collector, CollectorQueue, ErrorCode, err, ok, type Payload, WaitTimeoutError } from 'collector-queue';

interface Image {
  readonly name: string;
  readonly bytes: number;
}

const collectors = [
  new Collector('scan', async ({ value }: Payload<Image>) => (value.bytes > 5_000 ? err('too big') : ok('clean'))),
  new Collector('thumbnail', async ({ value }: Payload<Image>) => {
    if (value.bytes === 0) throw new RangeError('no data');
    return `${value.name}.thumb`;
  }),
  // A line of one byte per millisecond. It is let go as soon as nobody wants the result any more.
  new Collector('upload', async ({ value }: Payload<Image>, _context, { signal }) => {
    await delay(value.bytes, undefined, { signal });
    return `https://images.example/${value.name}`;
  }),
];

await new CollectorQueue(collectors).run(async (publisher) => {
  // All or nothing: `combine` is neverthrow's, the first Err or every value.
  const good = await publisher.publish({ name: 'cat.png', bytes: 20 }).wait();
  console.log(good.combine().unwrapOr([]));

  // One collector's failure does not touch the others.
  const empty = await publisher.publish({ name: 'empty.png', bytes: 0 }).wait();
  for (const error of empty.errs()) console.log(error instanceof Error ? `${error.name} <- ${error.cause}` : error);
  console.log(`${empty.oks().length} of ${empty.length} went well`);

  // Results one by one, as the collectors come to their ends; the event keeps its own order, that of registration.
  const large = publisher.publish({ name: 'dog.png', bytes: 60_000 }, { keys: ['upload', 'scan'] });
  for await (const [key, result] of large) {
    console.log(`${key}: ${result.isOk() ? result.value : result.error}`);
    // A task that is done keeps its result, the others end as an Err; their signal has the reason.
    if (result.isErr()) large.cancel('the scan refused it');
  }

  // A limit of `wait` ends the waiting, not the work. An AbortSignal does the same.
  const slow = publisher.publish({ name: 'elephant.png', bytes: 100 });
  const waited = await slow.wait({ timeout: 5 }).catch((error: unknown) => error);
  if (waited instanceof WaitTimeoutError) console.log(`${slow.status} still: ${waited.code}`);
  console.log(`later: ${(await slow.wait()).isOk() ? 'all well' : 'failed'}`);

  // Codes are stable, messages are not.
  const late = publisher.publish({ name: 'late.png', bytes: 60_000 }, { keys: 'upload' });
  late.cancel();
  const [error] = (await late.wait()).errs();
  console.log(error instanceof Error && error.code === ErrorCode.CANCELLED ? 'cancelled' : error);
});

/* Output:
[ 'clean', 'cat.png.thumb', 'https://images.example/cat.png' ]
ProcessorError <- RangeError: no data
2 of 3 went well
scan: too big
upload: CancelledError: the event was cancelled
running still: CQ_WAIT_TIMEOUT
later: all well
cancelled
*/
