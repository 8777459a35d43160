import { onTestFinished } from 'vitest';
import { SocketEmitter, type SocketEmitterOptions } from '../../../src/socket/client/index.ts';
import { DaemonDouble } from './daemon-double.ts';

export interface Scene {
  readonly daemon: DaemonDouble;
  readonly emitter: SocketEmitter;
}

/** An emitter and its daemon, which end with the test. */
export async function scene(options: SocketEmitterOptions = {}, isAway = false): Promise<Scene> {
  const daemon = isAway ? new DaemonDouble() : await DaemonDouble.started();
  const emitter = new SocketEmitter({ path: daemon.path, maxRetryDelay: 20, ...options });
  onTestFinished(async () => {
    // With a clock that stands still it would wait for ever.
    void emitter.close({ timeout: 0 });
    await daemon.dispose();
  });
  return { daemon, emitter };
}

/** Numbers the events of a test. */
export function numbered(count: number, from = 0): { readonly n: number }[] {
  return Array.from({ length: count }, (_, at) => ({ n: from + at }));
}
