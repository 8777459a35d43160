import { AssertionError } from 'node:assert';
import { CancelledError, Collector, err, type Payload, ProcessorError } from 'collector-queue';
import { createTestKit } from 'collector-queue/testing';
import { describe, expect, test } from 'vitest';
import { thrownBy } from '../core/scene.ts';

const kitOf = () =>
  createTestKit([
    new Collector('mail', ({ value }: Payload<Mail>) => value.to.length, { topics: 'mail' }),
    new Collector('fail', () => err({ code: 'E_SMTP', message: 'no such box' }), { topics: 'fail' }),
    new Collector('throw', () => {
      throw new RangeError('too far');
    }),
  ]);

interface Mail {
  readonly to: string;
  readonly lines?: readonly unknown[];
  readonly sender?: { readonly name: string; readonly at?: Date };
}

function failure(call: () => unknown): AssertionError {
  const thrown = thrownBy(call);
  expect(thrown).toBeInstanceOf(AssertionError);
  return thrown as AssertionError;
}

describe('expectSent', () => {
  test('finds what is like it: the fields that are given, among others', async () => {
    await using kit = await kitOf();
    const at = new Date(5);
    kit.publisher.publish({ to: 'first' }, { keys: 'mail' });
    kit.publisher.publish(
      { to: 'a@b', lines: [1, { two: 2, more: 3 }], sender: { name: 'Ada', at } },
      { keys: 'mail' },
    );
    const [first, second] = kit.sent('mail');
    expect(kit.expectSent('mail')).toBe(first);
    const alike: unknown[] = [
      { to: 'a@b' },
      { sender: { name: 'Ada' } },
      { sender: { at: new Date(5) } },
      { lines: [1, { two: 2 }] },
      ({ sender }: Mail) => sender !== undefined,
    ];
    for (const like of alike) expect(kit.expectSent('mail', like)).toBe(second);
    const different: unknown[] = [
      { to: 'a@c' },
      { sender: { name: 'Ada', age: 36 } },
      { sender: { at: new Date(6) } },
      { lines: [1] },
      { lines: { 0: 1 } as unknown, length: 2 },
      { toString: Object.prototype.toString },
      'a@b',
      undefined,
      null,
      () => false,
      () => 1,
    ];
    for (const like of different) expect(failure(() => kit.expectSent('mail', like)).operator).toBe('expectSent');
  });

  test('compares what is no plain object strictly', async () => {
    await using kit = await createTestKit([new Collector('a', () => 1)]);
    const values: unknown[] = [
      1,
      'text',
      null,
      undefined,
      Number.NaN,
      new Map([[1, 2]]),
      [1, [2]],
      Object.create(null),
    ];
    for (const value of values) {
      kit.clearRecords();
      kit.publisher.publish(value);
      kit.expectSent('a', value);
      failure(() => kit.expectSent('a', '1'));
      failure(() => kit.expectSent('a', { field: 1 }));
      failure(() => kit.expectSent('a', [1]));
      failure(() => kit.expectSent('a', new Map([[1, 3]])));
    }
  });

  test('says what was sent instead', async () => {
    await using kit = await kitOf();
    expect(failure(() => kit.expectSent('mail')).message).toBe('collector "mail" was sent nothing');
    kit.publisher.publish({ to: 'a@b' }, { keys: 'mail' });
    const error = failure(() => kit.expectSent('mail', { to: 'c@d' }));
    expect(error.message).toBe(`collector "mail" was sent nothing like { to: 'c@d' }; it was sent:\n  - { to: 'a@b' }`);
    expect(error).toMatchObject({ actual: [{ to: 'a@b' }], expected: [{ to: 'c@d' }] });
    expect(failure(() => kit.expectSent('mail', () => false)).message).toContain(
      'nothing for which the function gives true; it was sent:',
    );
    for (let at = 0; at < 12; at++) kit.publisher.publish({ to: `${at}` }, { keys: 'mail' });
    expect(failure(() => kit.expectSent('mail', { to: 'c@d' })).message).toMatch(
      / {2}- { to: '8' }\n {2}- … and 3 more$/,
    );
  });

  test('fails at the line of the test', async () => {
    await using kit = await kitOf();
    expect(failure(() => kit.expectSent('mail')).stack?.split('\n')[1]).toContain('expectations.test.ts');
    expect(
      failure(() => kit.expectSettledErr(kit.publisher.publish({ to: '' }, { keys: 'mail' }))).stack,
    ).not.toContain('test-kit.ts');
  });
});

describe('expectNothingSent', () => {
  test('says what was sent all the same', async () => {
    await using kit = await kitOf();
    kit.expectNothingSent('mail');
    kit.publisher.publish({ to: 'a@b' }, { keys: 'mail' });
    expect(failure(() => kit.expectNothingSent('mail')).message).toBe(
      `collector "mail" should have been sent nothing; it was sent:\n  - { to: 'a@b' }`,
    );
    kit.expectNothingSent('fail');
    kit.clearRecords();
    kit.expectNothingSent('mail');
  });
});

describe('expectSettledOk', () => {
  test('gives the results', async () => {
    await using kit = await kitOf();
    const event = kit.publisher.publish({ to: 'a@b' }, { keys: 'mail' });
    expect(kit.expectSettledOk(event)).toBe(event.getResult());
  });

  test('says what failed', async () => {
    await using kit = await kitOf();
    const event = kit.publisher.publish({ to: 'a@b' });
    const error = failure(() => kit.expectSettledOk(event));
    expect(error.message).toBe(
      'the event has settled with 2 Errs, of 3 results:\n' +
        '  - mail: Ok(3)\n' +
        '  - fail: Err(an object)\n' +
        '  - throw: Err(ProcessorError: the processor of collector "throw" failed: RangeError: too far)',
    );
    expect(error.operator).toBe('expectSettledOk');
  });

  test('says where an event stands that has not settled', async () => {
    await using kit = await kitOf();
    const event = kit.publisher.publish({ to: 'a@b' }, { keys: 'mail' }, { delay: 500 });
    await kit.advance(100);
    expect(failure(() => kit.expectSettledOk(event)).message).toBe(
      'the event has not settled: it is scheduled, due in 400 ms',
    );
    expect(failure(() => kit.expectSettledErr(event)).operator).toBe('expectSettledErr');
    await kit.runAll();
  });
});

describe('expectSettledErr', () => {
  test('gives the first error that fits: any, by its class, by its code', async () => {
    await using kit = await kitOf();
    const event = kit.publisher.publish({ to: 'a@b' });
    const [smtp, thrown] = event.getResult()?.errs() ?? [];
    expect(kit.expectSettledErr(event)).toBe(smtp);
    expect(kit.expectSettledErr(event, ProcessorError).collectorKey).toBe('throw');
    expect(kit.expectSettledErr(event, 'CQ_PROCESSOR')).toBe(thrown);
    expect(kit.expectSettledErr(event, 'E_SMTP')).toBe(smtp);
  });

  test('says what came instead', async () => {
    await using kit = await kitOf();
    const fine = kit.publisher.publish({ to: 'a@b' }, { keys: 'mail' });
    expect(failure(() => kit.expectSettledErr(fine)).message).toBe(
      'the event has settled without an Err:\n  - mail: Ok(3)',
    );
    const failed = kit.publisher.publish({ to: 'a@b' }, { keys: 'throw' });
    expect(failure(() => kit.expectSettledErr(failed, CancelledError)).message).toMatch(
      /^the event has settled without CancelledError:\n {2}- throw: Err\(ProcessorError/,
    );
    expect(failure(() => kit.expectSettledErr(failed, 'CQ_CANCELLED')).message).toMatch(
      /^the event has settled without an Err of the code 'CQ_CANCELLED':\n/,
    );
    const nobody = kit.publisher.publish({ to: 'a@b' }, { keys: 'nobody' });
    expect(failure(() => kit.expectSettledErr(nobody)).message).toBe(
      'the event has settled without an Err:\n  - Ok(undefined)',
    );
  });
});
