import {
  BatchCollector,
  Collector,
  type CollectorEvent,
  err,
  ok,
  type Payload,
  ProcessorError,
  topicTypes,
} from 'collector-queue';
import { createTestKit, type SentRecord } from 'collector-queue/testing';
import { expectTypeOf, test } from 'vitest';

const mail = new Collector('mail', ({ value }: Payload<{ to: string }>) =>
  value.to === '' ? err('nobody' as const) : ok(value.to.length),
);
const store = new Collector('store', async ({ value }: Payload<{ to: string }>, { db }) => db.insert(value.to), {
  lifecycle: async function* () {
    yield { db: { insert: (row: string) => row.length > 0 } };
  },
});

test('a kit is typed by its collectors', async () => {
  const kit = await createTestKit([mail, store]);
  expectTypeOf(kit.sent('mail')).toEqualTypeOf<SentRecord<{ to: string }>[]>();
  expectTypeOf(kit.expectSent('store', { to: 'a' }).value.to).toEqualTypeOf<string>();
  const event = kit.publisher.publish({ to: 'a' }, { keys: 'mail' });
  expectTypeOf(kit.expectSettledOk(event).oks()).toEqualTypeOf<(number | undefined)[]>();
  expectTypeOf(kit.expectSettledErr(event)).toEqualTypeOf<unknown>();
  expectTypeOf(kit.expectSettledErr(event, ProcessorError)).toEqualTypeOf<ProcessorError>();
  expectTypeOf(kit.events('retrying')[0]?.attempt).toEqualTypeOf<number | undefined>();
  expectTypeOf(event).toExtend<CollectorEvent>();
  // @ts-expect-error no collector has this key
  kit.sent('sms');
  // @ts-expect-error no collector has this key
  kit.expectNothingSent('sms');
  // @ts-expect-error there is no such queue event
  kit.events('retried');
  // @ts-expect-error the value is wrong
  kit.publisher.publish({ from: 'a' });
});

test('stubs get what the processor gets, and return what it may return', async () => {
  const kit = await createTestKit([mail, store], {
    stubs: {
      mail: ({ value }, _context, { number }) => {
        expectTypeOf(value).toEqualTypeOf<{ to: string }>();
        expectTypeOf(number).toEqualTypeOf<number>();
        return number;
      },
      store: async () => err(new Error('no disk')),
    },
    contexts: { store: { db: undefined } },
  });
  kit.stub('mail', () => ok(5));
  kit.stub('mail', () => {
    throw new Error('no network');
  });
  kit.stub('store', async () => true);
  kit.stub('store', undefined);
  // @ts-expect-error the processor gives a number
  kit.stub('mail', () => 'five');
  // @ts-expect-error no collector has this key
  kit.stub('sms', () => 5);
  // @ts-expect-error no collector has this key
  await createTestKit([mail], { stubs: { sms: () => 5 } });
  // @ts-expect-error the clock is an option of the kit
  await createTestKit([mail], { queue: { clock: kit.clock } });
});

test('stubs of processors of batches get what those get', async () => {
  const rows = new BatchCollector(
    'rows',
    async (payloads: readonly Payload<{ id: number }>[]) =>
      payloads.map(({ value }) => (value.id === 0 ? err('none' as const) : ok(value.id))),
    { batch: {} },
  );
  const kit = await createTestKit([rows, mail], {
    stubs: {
      rows: (payloads, _context, { attempts }) => {
        expectTypeOf(payloads).toEqualTypeOf<readonly Payload<{ id: number }>[]>();
        expectTypeOf(attempts[0]?.number).toEqualTypeOf<number | undefined>();
        return payloads.map(({ value }) => value.id);
      },
    },
  });
  expectTypeOf(kit.sent('rows')).toEqualTypeOf<SentRecord<{ id: number }>[]>();
  kit.stub('rows', async () => [ok(1), err('none'), err(new Error('no disk'))]);
  kit.stub('mail', () => 5);
  const none = new BatchCollector('none', async () => undefined, { batch: {} });
  (await createTestKit([none])).stub('none', () => undefined);
  // @ts-expect-error this one brings a number for each
  kit.stub('rows', () => undefined);
  // @ts-expect-error a result for each, not one
  kit.stub('rows', () => 5);
  // @ts-expect-error the results are numbers
  kit.stub('rows', () => ['five']);
  // @ts-expect-error this one takes no batches
  kit.stub('mail', (payloads: readonly Payload<{ to: string }>[]) => payloads.length);
});

test('declared topics are those of the publisher', async () => {
  const kit = await createTestKit([mail], { queue: { topics: topicTypes<{ letters: { to: string } }>() } });
  kit.publisher.publish({ to: 'a' }, { topics: 'letters' });
  // @ts-expect-error there is no such topic
  kit.publisher.publish({ to: 'a' }, { topics: 'parcels' });
});
