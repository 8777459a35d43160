import { BatchEmitter } from '../emitter/index.ts';
import { MemoryEventStore, StoreFullError } from '../store/index.ts';
import { Courier } from './courier.ts';
import type { Delivered, FailedStatus } from './delivered.ts';
import type { HttpEmitterOptions } from './options.ts';
import { resolveOptions } from './settings.ts';

/**
 * Sends events over HTTP: in batches, within bounds, again after a failure, and never the same way for ever. Speaks
 * Snowplow's tracker protocol, JSON and NDJSON.
 *
 * It works as soon as it is made. Events that wait keep the process alive until they are delivered, or it is closed.
 */
export class HttpEmitter extends BatchEmitter<Delivered, FailedStatus> {
  /**
   * @param endpoint - a host, `collector.example.com`, or a URL; slashes at its end do not count
   * @throws {@link InvalidArgumentError} (a TypeError) for an endpoint or an option that is wrong.
   */
  constructor(endpoint: string, options: HttpEmitterOptions = {}) {
    const settings = resolveOptions(endpoint, options);
    const { bufferCapacity, overflow, codec } = settings;
    super({
      settings,
      snapshot: (event) => codec.snapshot(event),
      courier: (desk) => new Courier(settings, desk),
      memory: () => new MemoryEventStore({ capacity: bufferCapacity, overflow }),
      full: (message) => new StoreFullError(message),
    });
  }
}
