import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { EmitterEvent } from '../emitter/index.ts';
import { SocketEmitter } from '../socket/index.ts';
import { type Command, ExitCode, readArgs, readWhole, type Terminal, UsageError } from './command.ts';
import { Progress } from './progress.ts';
import { addressOf } from './spool.ts';

const USAGE = `collector-queue send [<file> | -] (--socket <path> | --host <host> --port <port>) [options]

Sends events to a spool daemon: NDJSON, an event or an array of events a line, from a file or standard input.

  --timeout <ms>       how long the daemon may take for an event (30000)
  --token-env <name>   the variable with the token that the daemon wants
  --json               the summary as JSON

The exit code is 1 if some were not acknowledged, or some lines were no events.
`;

const OPTIONS = {
  socket: { type: 'string' },
  host: { type: 'string' },
  port: { type: 'string' },
  'token-env': { type: 'string' },
  timeout: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

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
    const { values, positionals } = readArgs(args, OPTIONS, true);
    if (positionals.length > 1) throw new UsageError('send takes one file');
    const address = addressOf(values, terminal.env);
    if (address === undefined) throw new UsageError('--socket or --port is missing; see collector-queue send --help');
    const storeTimeout = readWhole('timeout', values.timeout, { min: 1 });
    const emitter = new SocketEmitter({ ...address, ...(storeTimeout === undefined ? {} : { storeTimeout }) });
    const sending = new Sending(emitter, terminal);
    try {
      const summary = await sending.run(positionals[0] ?? '-');
      terminal.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : describeSummary(summary));
      return summary.failed + summary.badLines === 0 ? ExitCode.OK : ExitCode.FAILED;
    } finally {
      await emitter.close();
    }
  },
};

class Sending {
  readonly #emitter: SocketEmitter;
  readonly #terminal: Terminal;
  readonly #summary: SendSummary = { acknowledged: 0, failed: 0, badLines: 0, milliseconds: 0 };
  #underWay = 0;
  /** Waits for some of them to arrive. */
  #onArrival: () => void = () => undefined;
  #lastError: Error | undefined = undefined;

  constructor(emitter: SocketEmitter, terminal: Terminal) {
    this.#emitter = emitter;
    this.#terminal = terminal;
  }

  async run(file: string): Promise<SendSummary> {
    const begun = performance.now();
    const progress = new Progress(this.#terminal.stderr, file);
    const input = file === '-' ? this.#terminal.stdin : createReadStream(file);
    input.on('data', (chunk: string | Buffer) => progress.read(chunk.length));
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() !== '') this.#sendLine(line);
      if (this.#underWay >= UNDER_WAY) await this.#fallsTo(UNDER_WAY / 2);
      progress.show(this.#summary);
    }
    await this.#fallsTo(0);
    progress.end();
    if (this.#lastError !== undefined) this.#terminal.stderr.write(`collector-queue: ${this.#lastError.message}\n`);
    return { ...this.#summary, milliseconds: Math.round(performance.now() - begun) };
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
