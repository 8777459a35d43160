/**
 * A test kit for services that use collectors: a queue on a clock that moves only when told to, records of what was sent
 * to which collector, stubs, and expectations. It belongs to no test runner.
 *
 * ```ts
 * import { Collector, type Payload } from 'collector-queue';
 * import { createTestKit } from 'collector-queue/testing';
 *
 * const mail = new Collector('mail', async ({ value }: Payload<{ to: string }>) => `sent to ${value.to}`);
 * const kit = await createTestKit([mail]);
 * const event = kit.publisher.publish({ to: 'a@b.example' }, {}, { delay: 60_000 });
 * await kit.runAll();
 * kit.expectSent('mail', { to: 'a@b.example' });
 * console.log(kit.expectSettledOk(event).oks(), kit.clock.now()); // [ 'sent to a@b.example' ] 60000
 * await kit.close();
 * ```
 *
 * @module
 */

export { InvalidArgumentError, LifecycleError } from '../core/errors.ts';
export type { SentRecord } from './call-log.ts';
export { UnsettledError } from './errors.ts';
export type {
  BatchStubOutcome,
  BatchStubReturn,
  CloseOptions,
  RunAllOptions,
  SettledOptions,
  StubFor,
  StubOutcome,
  StubReturn,
  TestKitOptions,
} from './kit-options.ts';
export { ManualClock } from './manual-clock.ts';
export { createTestKit, TestKit } from './test-kit.ts';
