import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { CollectorQueueError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { EmitterEvent } from '../emitter/index.ts';
import { greetSpool, SocketEmitter, type SpoolAddress } from '../socket/index.ts';
import { ADDRESS_OPTIONS, ADDRESS_USAGE, addressOf } from './address.ts';
import { type Command, ExitCode, FailedError, readArgs, readWhole, type Terminal, UsageError } from './command.ts';
import { Progress } from './progress.ts';

const USAGE = `collector-queue send [<file> | -] (--socket <path> | --port <port>) [options]

Sends events to a spool daemon: NDJSON, an event or an array of events a line, from a file or standard input.

${ADDRESS_USAGE}\
  --timeout <ms>       how long the daemon may take for an event (30000)
  --json               the summary as JSON

The exit code is 1 if some were not acknowledged, or some lines were no events; 2 if the command line is wrong; 130 if it
was interrupted: what was acknowledged by then is safe.
`;

const OPTIONS = { ...ADDRESS_OPTIONS, timeout: { type: 'string' }, json: { type: 'boolean', default: false } } as const;

/** So many are on their way at once; more is read when some of them have arrived. */
const UNDER_WAY = 5_000;

/** What came of it. */
export interface SendSummary {
  acknowledged: number;
  failed: number;
  badLines: number;
  milliseconds: number;
}

export const send: Command = {
  summary: 'send events from a file or standard input to a daemon',
  usage: USAGE,
  run: async (args, terminal) => {
    const { values, positionals } = readArgs('send', args, OPTIONS, true);
    if (positionals.length > 1) throw new UsageError('send takes one file');
    const address = addressOf(values, terminal.env);
    if (address === undefined) throw new UsageError('--socket or --port is missing; see collector-queue send --help');
    const storeTimeout = readWhole('timeout', values.timeout, { min: 1 });
    const file = positionals[0] ?? '-';
    const opened = file === '-' ? undefined : await openFile(file);
    try {
      await greet(address);
      const sending = new Sending(address, storeTimeout, file, terminal);
      const summary = await sending.run(opened?.createReadStream() ?? terminal.stdin);
      terminal.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : describeSummary(summary));
      if (sending.isInterrupted) return ExitCode.INTERRUPTED;
      return summary.failed + summary.badLines === 0 ? ExitCode.OK : ExitCode.FAILED;
    } finally {
      await opened?.close().catch(() => undefined);
    }
  },
};

/** Nothing is sent, and nobody waited for, where nothing can come of it: a wrong certificate, a wrong token. */
async function greet(address: SpoolAddress): Promise<void> {
  try {
    await greetSpool(address);
  } catch (error) {
    // A daemon that is not there yet is waited for; the emitter tells of that.
    if (!(error instanceof CollectorQueueError && error.retryable)) throw error;
  }
}

/** Before anything else: a file that is not there is to be told at once. */
async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path);
  if (!(await file.stat()).isDirectory()) return file;
  await file.close();
  throw new FailedError(`${path} is a folder`);
}

class Sending {
  readonly #emitter: SocketEmitter;
  readonly #terminal: Terminal;
  readonly #progress: Progress;
  readonly #summary: SendSummary = { acknowledged: 0, failed: 0, badLines: 0, milliseconds: 0 };
  #underWay = 0;
  /** Waits for some of them to arrive. */
  #onArrival: () => void = () => undefined;
  #lastError: Error | undefined = undefined;
  #isInterrupted = false;

  constructor(address: SpoolAddress, storeTimeout: number | undefined, file: string, terminal: Terminal) {
    this.#terminal = terminal;
    this.#progress = new Progress(terminal.stderr, file, this.#summary);
    const tell = (_: object, message: string): void => {
      this.#progress.tell(`collector-queue: ${message.replace('SocketEmitter: ', '')}`);
    };
    // What is lost is in the summary.
    const logger: Logger = { info: () => undefined, warn: tell, error: () => undefined };
    this.#emitter = new SocketEmitter({ ...address, storeTimeout, logger });
  }

  get isInterrupted(): boolean {
    return this.#isInterrupted;
  }

  async run(input: Readable & { readonly isTTY?: boolean }): Promise<SendSummary> {
    const begun = performance.now();
    const interrupt = (): void => this.#interrupt(input);
    process.once('SIGINT', interrupt);
    if (input.isTTY === true) this.#progress.tell('collector-queue: reading events from the terminal, a line each');
    input.on('data', (chunk: string | Buffer) => this.#progress.read(chunk.length));
    try {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        if (this.#isInterrupted) break;
        if (line.trim() !== '') this.#sendLine(line);
        if (this.#underWay >= UNDER_WAY) await this.#fallsTo(UNDER_WAY / 2);
      }
      await this.#fallsTo(0);
    } finally {
      process.off('SIGINT', interrupt);
      await this.#emitter.close();
      this.#progress.end();
    }
    if (this.#lastError !== undefined) this.#terminal.stderr.write(`collector-queue: ${this.#lastError.message}\n`);
    return { ...this.#summary, milliseconds: Math.round(performance.now() - begun) };
  }

  /** What is under way counts as not acknowledged. */
  #interrupt(input: Readable): void {
    this.#isInterrupted = true;
    input.destroy();
    void this.#emitter.close({ timeout: 0 });
  }

  #sendLine(line: string): void {
    const events = eventsIn(line);
    if (events === undefined) this.#summary.badLines++;
    else for (const event of events) this.#sendOne(event);
  }

  #sendOne(event: EmitterEvent): void {
    this.#underWay++;
    void this.#emitter.store(event).then((stored) => {
      this.#underWay--;
      if (stored.isOk()) this.#summary.acknowledged++;
      else {
        this.#summary.failed++;
        this.#lastError = stored.error;
      }
      this.#onArrival();
    });
  }

  #fallsTo(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onArrival = (): void => {
        if (this.#underWay <= count) resolve();
      };
      this.#onArrival();
    });
  }
}

/** Undefined for a line that holds none. */
function eventsIn(line: string): readonly EmitterEvent[] | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const events = Array.isArray(value) ? value : [value];
    return events.every((event) => typeof event === 'object' && event !== null && !Array.isArray(event))
      ? events
      : undefined;
  } catch {
    return undefined;
  }
}

function describeSummary({ acknowledged, failed, badLines, milliseconds }: SendSummary): string {
  const seconds = milliseconds / 1_000;
  const rate = seconds > 0 ? `, ${Math.round(acknowledged / seconds)} a second` : '';
  const bad = badLines === 0 ? '' : `, ${badLines} lines were no events`;
  return `${acknowledged} events acknowledged in ${seconds.toFixed(1)} s${rate}, ${failed} not acknowledged${bad}\n`;
}
