import type { EmitterEvent } from 'collector-queue/emitter';
import { type FailureInfo, HttpEmitter, type HttpEmitterOptions, type SuccessInfo } from 'collector-queue/http';
import { onTestFinished } from 'vitest';
import { ManualClock, settlePromises } from '../../src/testing/manual-clock.ts';
import { type Behaviour, eventsOf, type ScriptedServer, serve } from './server.ts';

/** What an emitter told its callbacks of an attempt. */
type Told =
  | ({ readonly outcome: 'sent'; readonly events: readonly EmitterEvent[] } & SuccessInfo)
  | ({ readonly outcome: 'failed'; readonly sent: number; readonly events: readonly EmitterEvent[] } & FailureInfo);

/** What it said to its logger. */
interface Logged {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** An emitter that lives by a clock of ours, and what it told. */
export interface Scene {
  readonly emitter: HttpEmitter;
  readonly clock: ManualClock;
  readonly told: Told[];
  readonly logged: Logged[];
  /** Resolves once so many attempts were told of, to the last of them. */
  readonly attempts: (count: number) => Promise<Told>;
}

/** Options of an emitter, but for what a scene gives it. */
export type SceneOptions = Omit<HttpEmitterOptions, 'clock' | 'logger' | 'fetch'> & {
  readonly fetch?: typeof fetch;
  readonly clock?: ManualClock;
};

/** An emitter that talks to this endpoint. It is closed when the test is over. */
export function emitterTo(endpoint: string, { onSuccess, onFailure, ...options }: SceneOptions): Scene {
  const clock = options.clock ?? new ManualClock(0, 1_700_000_000_000);
  const told: Told[] = [];
  const logged: Logged[] = [];
  let watchers: (() => void)[] = [];
  const tell = (one: Told): void => {
    told.push(one);
    for (const watcher of watchers.splice(0)) watcher();
  };
  const log =
    (level: Logged['level']) =>
    (fields: object, message: string): void =>
      void logged.push({ level, fields: { ...fields }, message });
  const emitter = new HttpEmitter(endpoint, {
    ...options,
    clock,
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
    onSuccess: (events, info) => {
      tell({ outcome: 'sent', events, ...info });
      return onSuccess?.(events, info);
    },
    onFailure: (sent, events, info) => {
      tell({ outcome: 'failed', sent, events, ...info });
      return onFailure?.(sent, events, info);
    },
  });
  const attempts = async (count: number): Promise<Told> => {
    while (told.length < count) {
      await new Promise<void>((resolve) => {
        watchers = [...watchers, resolve];
      });
    }
    return told[count - 1] as Told;
  };
  onTestFinished(() => giveUp({ emitter, clock }));
  return { emitter, clock, told, logged, attempts };
}

/** Closes without waiting for what hangs. */
async function giveUp({ emitter, clock }: Pick<Scene, 'emitter' | 'clock'>): Promise<void> {
  const closing = emitter.close({ timeout: 0 });
  let isClosed = false;
  const mark = (): void => {
    isClosed = true;
  };
  closing.then(mark, mark);
  for (let step = 0; step < 10 && !isClosed; step++) await clock.advance(60_000);
  await closing;
}

/** An emitter and a server that does what a script says. */
export async function wired(
  script: readonly Behaviour[],
  options: SceneOptions & { readonly otherwise?: Behaviour } = {},
): Promise<Scene & { readonly server: ScriptedServer }> {
  const { otherwise, ...rest } = options;
  const server = await serve(script, otherwise);
  return { ...emitterTo(server.url, rest), server };
}

/** A status, a reply, what fetch rejects with, or a promise of one of these. */
export type Answer = number | Response | Error | Promise<number | Response | Error>;

/** A request that a {@link farSide} got. */
interface FarRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** By the clock of the emitter. */
  readonly at: number;
}

/** Stands for a server where HTTP is not the subject: answers at once. */
export interface FarSide {
  readonly fetch: typeof fetch;
  readonly requests: FarRequest[];
  /** The `eid` of the events of each request. */
  readonly batches: string[][];
  /** The most requests that were under way at once. */
  readonly most: number;
}

/**
 * @param answers - to the requests, in the order in which they come
 * @param otherwise - to those after them
 */
export function farSide(clock: ManualClock, answers: readonly Answer[] = [], otherwise: Answer = 200): FarSide {
  const script = [...answers];
  const requests: FarRequest[] = [];
  let underWay = 0;
  let most = 0;
  const answer = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { method = 'GET', headers = {}, body, signal } = init;
    const text = typeof body === 'string' ? body : '';
    requests.push({
      method,
      url: String(url),
      headers: headers as Record<string, string>,
      body: text,
      at: clock.now(),
    });
    most = Math.max(most, ++underWay);
    try {
      const given = await unlessAborted(script.shift() ?? otherwise, signal);
      if (given instanceof Error) throw given;
      return typeof given === 'number' ? new Response(null, { status: given }) : given;
    } finally {
      underWay--;
    }
  };
  return {
    fetch: answer,
    requests,
    get batches() {
      return requests.map(({ method, url, body }) =>
        eventsOf({ method, url, body: Buffer.from(body) }).map(({ eid = '' }) => eid),
      );
    },
    get most() {
      return most;
    },
  };
}

function unlessAborted(answer: Answer, signal?: AbortSignal | null): Answer {
  if (!(answer instanceof Promise) || signal === undefined || signal === null) return answer;
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    answer.then(resolve, reject);
  });
}

/** An emitter and what stands for its server. */
export function acted(
  answers: readonly Answer[] = [],
  options: SceneOptions & { readonly otherwise?: Answer } = {},
): Scene & { readonly far: FarSide } {
  const { otherwise, clock = new ManualClock(0, 1_700_000_000_000), ...rest } = options;
  const far = farSide(clock, answers, otherwise);
  return { ...emitterTo('http://far.test', { fetch: far.fetch, ...rest, clock }), far };
}

/** An event of Snowplow's protocol with this id. */
export function event(id: number | string): Record<string, string> {
  return { e: 'pv', p: 'srv', tv: 'test-1', eid: String(id) };
}

/** Events with the ids `first` to `last`. */
export function events(first: number, last: number): Record<string, string>[] {
  return Array.from({ length: last - first + 1 }, (_, at) => event(first + at));
}

/** The ids from `first` to `last`. */
export function ids(first: number, last: number): string[] {
  return events(first, last).map(({ eid }) => eid as string);
}

/** Inputs them all; throws if one is not taken. */
export function inputAll({ emitter }: Pick<Scene, 'emitter'>, given: readonly EmitterEvent[]): void {
  for (const one of given) if (!emitter.input(one)) throw new Error('an event was not taken');
}

/** Inputs the events with the ids `first` to `last`. */
export function inputIds(scene: Pick<Scene, 'emitter'>, first: number, last = first): void {
  inputAll(scene, events(first, last));
}

/** The `eid` of events. */
export function idsOf(given: readonly EmitterEvent[]): unknown[] {
  return given.map(({ eid }) => eid);
}

/** Lets what is under way on this side go as far as it can, and the clock stand. */
export async function still({ clock }: Pick<Scene, 'clock'>): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await settlePromises();
  await clock.turn();
}
