import { BrokerUnavailableError, BullMQCollectorQueue, type BullMQQueueOptions } from '../bullmq/index.ts';
import { LifecycleError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type Command, ExitCode, FailedError, type Terminal } from './command.ts';
import { LiveLine } from './live-line.ts';
import { createLog } from './log.ts';
import { reasonsOf } from './reasons.ts';
import { missingRedis, REDIS_VARIABLE } from './redis-url.ts';
import { stopSignal } from './stop-signal.ts';
import { describeFigures, type WorkerFigures, WorkerFiguresReader } from './worker-figures.ts';
import { WorkerLog } from './worker-log.ts';
import { loadWorkerModule, type WorkerModule } from './worker-module.ts';
import { readWorkerConfig, type WorkerConfig } from './worker-options.ts';
import { screenOf, writeAbove } from './worker-output.ts';

const USAGE = `collector-queue worker <module> --redis <url> [options]

Runs the collectors of a module on the jobs that wait for them in Redis. The module exports, as default or as collectors, an
array of Collectors, or a function that returns one or a promise of one. What it exports as options, if it does, are options
of a BullMQCollectorQueue; the command line wins.

  --redis <url>               redis://user:password@host:6379/0, rediss:// for TLS (options.connection of the module, else the
                              variable ${REDIS_VARIABLE}, which shows no password to who lists processes)
  --prefix <name>             what the names of its keys in Redis begin with (collector-queue)
  --name <name>               the name of this worker in Redis's list of clients
  --concurrency <n | min..max>   jobs of each collector that it runs at a time; a range moves with the load (1..100)
  --secret-env <name>         the variable with the secret that jobs are signed with, of at least 32 bytes; twice while it is
                              changed: the new one, then the old one
  --connect-timeout <ms>      how long Redis may take to answer at the start (10000)
  --shutdown-timeout <ms>     how long SIGTERM lets jobs that run go on (10000)
  --log auto|text|json        (auto: text on a terminal, json elsewhere)

SIGTERM or SIGINT stops it in order: it takes no more, lets what runs end, gives the rest back to Redis for other workers,
and shuts the collectors down. A second one ends it at once; what ran is then run again, when its lock has expired.

The exit code is 0 if it was stopped and everything that ran has ended, 1 if it failed, 2 if the command line or the module
is wrong, 3 if it was stopped and jobs that did not end in time were given up.
`;

export const worker: Command = {
  summary: 'run the collectors of a module on jobs in Redis',
  usage: USAGE,
  run: async (args, terminal) => {
    const config = readWorkerConfig(args, terminal.env);
    try {
      const module = await loadWorkerModule(config.module);
      return await new RunningWorker(config, module, terminal).run();
    } finally {
      // A job that did not end, or what the module has left open, must not keep a process that has nothing more to do.
      setTimeout(() => process.exit(), LEAVING).unref();
    }
  },
};

/** Time for what ends by itself. Milliseconds. */
const LEAVING = 500;

class RunningWorker {
  readonly #config: WorkerConfig;
  readonly #where: string;
  readonly #line: LiveLine<WorkerFigures> | undefined;
  readonly #log: Logger;
  readonly #queue: BullMQCollectorQueue;
  readonly #jobs: WorkerLog;

  constructor(config: WorkerConfig, { collectors, options }: WorkerModule, { stdout, stderr }: Terminal) {
    const { redis } = config;
    const ofModule = config.namesRedis ? undefined : options.connection;
    const connection = ofModule ?? redis?.url;
    if (connection === undefined) throw missingRedis('worker');
    this.#config = config;
    this.#where = ofModule === undefined && redis !== undefined ? redis.shown : 'where options.connection says';
    const isTerminal = stderr.isTTY === true;
    const format = config.log ?? (isTerminal ? 'text' : 'json');
    this.#log = createLog(format, (text) => void stderr.write(text));
    const settings: BullMQQueueOptions = { ...options, ...config.queue, connection, role: 'worker', logger: this.#log };
    this.#queue = new BullMQCollectorQueue(collectors, settings);
    this.#jobs = new WorkerLog(this.#queue, this.#log, format);
    if (!isTerminal || format !== 'text') return;
    const { read } = new WorkerFiguresReader(this.#queue, this.#jobs);
    const line = new LiveLine(screenOf(stderr), read, describeFigures);
    this.#line = line;
    for (const stream of [stdout, stderr]) {
      if (stream.isTTY) writeAbove(stream, (text) => line.above(text));
    }
  }

  async run(): Promise<number> {
    // From now on: who stops it while it starts means it, too.
    const stopped = stopSignal(() => this.#exitNow());
    process.on('uncaughtExceptionMonitor', () => this.#line?.stop());
    const started = this.#start();
    const early = await Promise.race([started, stopped]);
    if (early === undefined) this.#line?.start();
    const signal = early ?? (await stopped);
    const code = await this.#stop(signal);
    await started.catch(() => undefined);
    return code;
  }

  async #start(): Promise<undefined> {
    const { module, queue } = this.#config;
    this.#log.info({ module, redis: this.#where, pid: process.pid }, 'starting');
    try {
      await this.#queue.initQueue();
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
      throw new FailedError(`Redis (${this.#where}): ${error.message}`, error);
    }
    this.#log.info({ collectors: this.#queue.collectorKeys.join(', '), name: queue.name }, 'working');
  }

  async #stop(signal: NodeJS.Signals): Promise<number> {
    const { shutdownTimeout: timeout } = this.#config;
    this.#log.info({ signal, running: this.#jobs.running.length, timeout }, 'stopping');
    let code: number = ExitCode.OK;
    try {
      await this.#queue.shutDownQueue({ timeout });
    } catch (error) {
      code = ExitCode.FAILED;
      const failures = error instanceof LifecycleError ? error.errors : [error];
      for (const failure of failures) this.#log.error({ reason: reasonsOf(failure).join(' ') }, 'shutting down failed');
    }
    this.#line?.stop();
    const { running } = this.#jobs;
    for (const { collector, event } of running) this.#log.warn({ collector, event }, 'job did not end in time');
    this.#log.info(
      { ended: this.#jobs.ended, unfinished: running.length },
      running.length === 0 ? 'stopped; everything that ran has ended' : 'stopped; others will run the rest',
    );
    return code === ExitCode.OK && running.length > 0 ? ExitCode.UNFINISHED : code;
  }

  #exitNow(): never {
    this.#line?.stop();
    process.exit(ExitCode.FAILED);
  }
}
