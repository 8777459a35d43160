import { describeThrown } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { HealthServer, listenAddressName, SpoolDaemon } from '../socket/index.ts';
import { type Command, ExitCode, type Terminal } from './command.ts';
import { type DaemonConfig, readDaemonConfig } from './daemon-config.ts';
import { createLog } from './log.ts';
import { StatusLine } from './status-line.ts';
import { stopSignal } from './stop-signal.ts';

const USAGE = `collector-queue daemon --listen <address> --store <folder> --endpoint <host or URL> [options]

Takes events from the processes of this machine, keeps them durably, and sends them in batches over HTTP.

  --listen <address>          unix:/path/of.sock or tcp:host:port; may be repeated
  --store <folder>            where events are kept
  --endpoint <host or URL>    the collector that they are sent to
  --config <file>             JSON with these settings in camelCase, and headers, customRetryCodes, rateLimit,
                              compression, anonymous; the command line wins; SIGHUP reads it again

Clients
  --socket-mode <mode>        permissions of Unix sockets (600)
  --socket-group <group>      group of Unix sockets
  --token-env <name>          the variable with the token that TCP clients need
  --tls-cert, --tls-key <file>   TLS for TCP
  --tcp-control               lets TCP clients give the commands of collector-queue spool although there is no token
  --max-frame <bytes>         longest line (1M)
  --max-connections <n>       (1000, or what ulimit -n allows)
  --max-connection-bytes, --max-total-bytes <bytes>   read and not answered (4M, 64M)
  --frame-timeout <ms>        for a line to come (10000)
  --idle-timeout <ms>         for a client to be silent (300000)
  --heartbeat <ms>            how often clients should be heard of (10000)
  --client-ttl <ms>           how long a client is remembered (604800000, a week)

Spool
  --capacity <n>, --max-bytes <bytes>   the most that it holds (10000000 events, 1G)
  --dead-letter-capacity <n>            the most dead letters (1000000)
  --overflow dropNewest|dropOldest      what happens when it is full (dropNewest: new events are refused)

Sending
  --batch-size <n>            events of a request (100)
  --byte-limit <bytes>        bytes of a request (no limit)
  --concurrency <n>           requests at once (4)
  --flush-interval <ms>       how long an event waits for others (200)
  --request-timeout <ms>      (30000)
  --max-retry-delay <ms>      (5000)
  --max-retry-after <ms>      how much of a Retry-After is obeyed (3600000)
  --no-split-refused          a request that is refused makes dead letters of all its events, not of the bad ones alone

Running
  --health-port <port>        /health and /metrics on 127.0.0.1
  --shutdown-timeout <ms>     how long SIGTERM tries to send what is left (10000)
  --log text|json             (text on a terminal, json elsewhere)

SIGTERM or SIGINT stops it in order, a second one at once. What was not sent is in the spool.
`;

export const daemon: Command = {
  summary: 'take events over sockets, keep them, send them over HTTP',
  usage: USAGE,
  run: async (args, terminal) => new RunningDaemon(args, terminal).run(),
};

class RunningDaemon {
  readonly #args: readonly string[];
  readonly #terminal: Terminal;
  readonly #config: DaemonConfig;
  readonly #daemon: SpoolDaemon;
  readonly #health: HealthServer;
  readonly #status: StatusLine | undefined;
  readonly #log: Logger;

  constructor(args: readonly string[], terminal: Terminal) {
    this.#args = args;
    this.#terminal = terminal;
    this.#config = readDaemonConfig(args, terminal.env);
    const write = (text: string): void => void terminal.stderr.write(text);
    const isTerminal = terminal.stderr.isTTY === true;
    const format = this.#config.log ?? (isTerminal ? 'text' : 'json');
    const metrics = () => this.#daemon.getMetrics();
    this.#status = isTerminal && format === 'text' ? new StatusLine(terminal.stderr, metrics) : undefined;
    this.#log = createLog(format, (text) => (this.#status === undefined ? write(text) : this.#status.above(text)));
    this.#daemon = new SpoolDaemon({ ...this.#config.options, logger: this.#log });
    this.#health = new HealthServer(metrics);
  }

  async run(): Promise<number> {
    // From now on: who stops it while it starts means it, too.
    const stopped = stopSignal(() => this.#exitNow());
    const started = this.#daemon.start();
    process.on('SIGHUP', () => void started.then(() => this.#reload()).catch(() => undefined));
    await started;
    await this.#listenForHealth();
    const { stored, deadLetters } = await this.#daemon.getMetrics();
    const addresses = this.#daemon.addresses.map(listenAddressName).join(', ');
    this.#log.info({ pid: process.pid, waiting: stored, deadLetters }, `listening at ${addresses}`);
    this.#status?.start();
    const signal = await stopped;
    this.#log.info({ signal, timeout: this.#config.shutdownTimeout }, 'stopping');
    this.#health.stopping();
    const { remaining } = await this.#daemon.stop({ timeout: this.#config.shutdownTimeout });
    await this.#health.close();
    this.#status?.stop();
    this.#log.info(
      { remaining },
      remaining === 0 ? 'stopped; everything was sent' : 'stopped; the rest is safely stored',
    );
    return ExitCode.OK;
  }

  async #listenForHealth(): Promise<void> {
    const { healthPort } = this.#config;
    if (healthPort === undefined) return;
    try {
      const port = await this.#health.listen(healthPort);
      this.#log.info({ port }, 'health and metrics');
    } catch (error) {
      await this.#daemon.stop({ timeout: 0 });
      throw error;
    }
  }

  #exitNow(): never {
    this.#status?.stop();
    process.exit(ExitCode.FAILED);
  }

  /** What concerns sending takes effect at once; the rest is for the next start. */
  async #reload(): Promise<void> {
    try {
      const { endpoint, forward } = readDaemonConfig(this.#args, this.#terminal.env).options;
      await this.#daemon.reconfigure(endpoint, forward);
      this.#log.info({ endpoint }, 'read the configuration again: how it sends is new; other settings need a restart');
    } catch (error) {
      this.#log.error({ reason: describeThrown(error) }, 'the configuration was not taken: all stays as it was');
    }
  }
}
