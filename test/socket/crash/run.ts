import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askSpool } from 'collector-queue/socket';
import { oneOf, randomOf } from '../../random.ts';
import { ClientLives } from './client-lives.ts';
import { UnsteadyCollector } from './collector.ts';
import { DaemonLives } from './daemon-lives.ts';
import { type CampaignResult, compare, quantile, VICTIMS, type Victim } from './figures.ts';
import { Issuer } from './issuer.ts';
import { Loader } from './loader.ts';
import { CLIENT_MOMENTS, DAEMON_MOMENTS, type Watched } from './moments.ts';
import { idsIn, Notes } from './notes.ts';
import { tearLog } from './torn-write.ts';

export interface CampaignOptions {
  readonly kills: number;
  /** How many are to be acknowledged, in all. */
  readonly events: number;
  readonly seed: number;
  /** Of whom each time one is drawn. */
  readonly victims?: readonly Victim[];
  /**
   * - unsteady: it fails in all ways that a collector can;
   * - away: nobody listens before all is over. As nothing is sent twice then, an event that is delivered twice was stored twice.
   */
  readonly collector?: 'unsteady' | 'away';
  /** The folder of the spool. */
  readonly store?: string;
  /** So many bytes of its disk are taken until nobody is killed any more. A daemon that finds no room is started again. */
  readonly ballast?: number;
  readonly progress?: (line: string) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** Clients that can be killed; one of them has a spill. */
const CLIENTS = 3;
/** Clients that are not, and know which numbers they were answered with. */
const LOADERS = 2;
const SHUTDOWN = 120_000;
/** Between two kills it works about so long. Milliseconds. */
const WORK = 250;

/** Kills a daemon and its clients again and again, and then looks whether all that was acknowledged was delivered. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const campaign = new Campaign(options);
  try {
    await campaign.begin();
    for (let kill = 1; kill <= options.kills && options.signal?.aborted !== true; kill++) await campaign.kill(kill);
    await campaign.finish();
    return campaign.result();
  } finally {
    await campaign.close();
  }
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #random: () => number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'cq-'));
  readonly #store: string;
  readonly #ballast: string;
  readonly #path = join(this.#folder, 'd.sock');
  readonly #collector: UnsteadyCollector;
  readonly #issuer: Issuer;
  readonly #notes = [
    new Notes(join(this.#folder, 'loaders.issued')),
    new Notes(join(this.#folder, 'loaders.acknowledged')),
  ] as const;
  readonly #kills: Record<Victim, number> = { daemon: 0, client: 0, both: 0 };
  readonly #recoveries: number[] = [];
  readonly #onExit = (): void => void this.#killAll();
  readonly #onForgotten = (message: string): void => {
    this.#forgotten++;
    this.#options.progress?.(message);
  };
  readonly #begun = performance.now();
  #loaders: readonly Loader[] = [];
  #loading: Promise<unknown> | undefined;
  #clients: readonly ClientLives[] = [];
  #daemon: DaemonLives | undefined;
  #failure: unknown;
  /** The number of the kill that comes next. */
  #kill = 1;
  #acked = 0;
  #daemonAcks = 0;
  #killedAt: number | undefined;
  #forgotten = 0;
  readonly #refusals: Record<string, number> = {};

  constructor(options: CampaignOptions) {
    this.#options = options;
    this.#random = randomOf(options.seed);
    this.#store = options.store ?? join(this.#folder, 'spool');
    this.#ballast = `${this.#store}.ballast`;
    this.#collector = new UnsteadyCollector(randomOf(options.seed + 1));
    this.#issuer = new Issuer(() => this.#rate);
  }

  async begin(): Promise<void> {
    process.once('exit', this.#onExit);
    await this.#collector.open();
    if (this.#isAway) await this.#collector.leave();
    else this.#collector.begin();
    this.#daemon = new DaemonLives([
      ...['--listen', `unix:${this.#path}`, '--store', this.#store],
      ...['--endpoint', `http://127.0.0.1:${this.#collector.port}`, '--batch-size', '50', '--flush-interval', '20'],
      ...['--request-timeout', '2000', '--max-retry-delay', '100'],
      ...['--shutdown-timeout', String(SHUTDOWN), '--log', 'json'],
    ]);
    await this.#until(() => this.#daemon?.isListening === true);
    if (this.#options.ballast !== undefined) writeFileSync(this.#ballast, Buffer.alloc(this.#options.ballast));
    this.#clients = Array.from({ length: CLIENTS }, (_, at) => this.#client(at));
    this.#loaders = Array.from({ length: LOADERS }, (_, at) => this.#loader(at));
    this.#loading = Promise.all(this.#loaders.map((loader) => loader.run())).catch((error: unknown) => {
      this.#failure ??= error;
    });
  }

  async kill(number: number): Promise<void> {
    this.#kill = number;
    const victim = oneOf(this.#random, this.#options.victims ?? VICTIMS);
    const clients = victim === 'daemon' ? [] : this.#chosenClients(victim === 'both');
    const moments = victim === 'client' ? CLIENT_MOMENTS : DAEMON_MOMENTS;
    await oneOf(this.#random, Object.values(moments))(this.#watched(clients[0]));
    if (this.#options.signal?.aborted === true) return;
    this.#kills[victim]++;
    const dying = clients.map((client) => client.kill());
    if (victim !== 'client') await this.#killDaemon();
    await Promise.all(dying);
    for (const client of clients) client.begin();
    if (number % 10 === 0) this.#tell();
  }

  /** Nobody is killed any more: all that was issued is acknowledged, and delivered. */
  async finish(): Promise<void> {
    this.#kill = Number.POSITIVE_INFINITY;
    rmSync(this.#ballast, { force: true });
    await this.#collector.calm();
    await this.#until(() => this.#isEnough);
    for (const loader of this.#loaders) loader.end();
    await Promise.all([this.#loading, ...this.#clients.map((client) => client.end())]);
    await this.#until(() => this.#daemon?.isListening === true);
    await this.#until(async () => {
      const { stored, deadLetters } = await this.#stats();
      if (deadLetters > 0) await this.#redrive();
      return stored === 0 && deadLetters === 0;
    });
    await this.#daemon?.stop();
    if (this.#failure !== undefined) throw this.#failure;
  }

  result(): CampaignResult {
    for (const notes of this.#notes) notes.close();
    const { delivered, garbled, answers } = this.#collector;
    const acked = idsIn(this.#folder, '.acknowledged');
    const figures = compare({ acked, issued: idsIn(this.#folder, '.issued'), delivered });
    return {
      ...figures,
      foreign: figures.foreign + garbled,
      forgotten: this.#forgotten,
      kills: this.#kills,
      recovery: { p50: quantile(this.#recoveries, 0.5), p99: quantile(this.#recoveries, 0.99) },
      answers,
      refusals: this.#refusals,
    };
  }

  async close(): Promise<void> {
    process.off('exit', this.#onExit);
    for (const loader of this.#loaders) loader.end();
    await this.#killAll();
    await this.#collector.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #isAway(): boolean {
    return this.#options.collector === 'away';
  }

  get #isEnough(): boolean {
    return this.#acked >= this.#options.events || this.#options.signal?.aborted === true;
  }

  /** How fast ids are issued. Whoever is killed shall be at work, so a little goes on even if it is too much. */
  get #rate(): number {
    const { kills, signal } = this.#options;
    const fast = Math.max(1, this.#share / WORK);
    if (signal?.aborted === true) return 0;
    if (this.#kill > kills) return this.#isEnough ? 0 : fast;
    return this.#acked < this.#share * (this.#kill + 1) ? fast : fast / 20;
  }

  /** How many events there are for each kill. */
  get #share(): number {
    return this.#options.events / Math.max(1, this.#options.kills);
  }

  #client(at: number): ClientLives {
    return new ClientLives({
      path: this.#path,
      name: `client-${at}`,
      folder: this.#folder,
      // What was sent from a spill is sent again if its client is killed before that is known there.
      withSpill: at === 0 && !this.#isAway,
      issuer: this.#issuer,
      onAck: (count) => {
        this.#acked += count;
      },
      onForgotten: this.#onForgotten,
    });
  }

  #loader(at: number): Loader {
    return new Loader({
      name: `loader-${at}`,
      place: { path: this.#path },
      issuer: this.#issuer,
      issued: this.#notes[0],
      notes: this.#notes[1],
      random: randomOf(this.#options.seed + 2 + at),
      onAck: (count) => {
        this.#acked += count;
        this.#daemonAcks++;
        if (this.#killedAt !== undefined) this.#recoveries.push(performance.now() - this.#killedAt);
        this.#killedAt = undefined;
      },
      onForgotten: this.#onForgotten,
      onRefused: (code) => {
        this.#refusals[code] = (this.#refusals[code] ?? 0) + 1;
      },
    });
  }

  #chosenClients(several: boolean): ClientLives[] {
    const first = oneOf(this.#random, this.#clients);
    const others = several ? this.#clients.filter((client) => client !== first && this.#random() < 0.5) : [];
    return [first, ...others];
  }

  async #killDaemon(): Promise<void> {
    this.#killedAt = performance.now();
    await this.#daemon?.kill();
    if (this.#random() < 0.2) tearLog(join(this.#store, 'events'), this.#random);
    this.#daemon?.begin();
    // Nobody waits for it: the next kill may come in the middle.
    if (this.#random() < 0.2) void this.#redrive();
  }

  #watched(client: ClientLives | undefined): Watched {
    return {
      random: this.#random,
      isListening: () => this.#daemon?.isListening === true,
      acks: () => this.#daemonAcks,
      isDue: () => this.#acked >= this.#share * (this.#kill - 1),
      requests: () => this.#collector.requests,
      heard: () => client?.heard ?? 0,
      check: () => this.#check(),
    };
  }

  /** Throws if anybody has ended who was not killed. Whether it is to end early. */
  #check(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#options.ballast !== undefined && this.#daemon?.isWithoutRoom === true) this.#daemon.begin();
    for (const { failure } of [...this.#clients, this.#daemon as DaemonLives]) {
      if (failure !== undefined) throw new Error(failure);
    }
    return this.#options.signal?.aborted === true;
  }

  async #until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      this.#check();
      await sleep(20);
    }
  }

  async #redrive(): Promise<void> {
    try {
      for await (const _ of askSpool({ path: this.#path }, 'redrive', { ids: 'all' }));
    } catch {
      // It is killed meanwhile, or does not listen yet.
    }
  }

  async #stats(): Promise<{ readonly stored: number; readonly deadLetters: number }> {
    for await (const { stats } of askSpool({ path: this.#path }, 'stats')) {
      return stats as { stored: number; deadLetters: number };
    }
    throw new Error('the daemon does not answer');
  }

  async #killAll(): Promise<void> {
    await Promise.all([this.#daemon, ...this.#clients].map((lives) => lives?.kill()));
  }

  #tell(): void {
    const { daemon, client, both } = this.#kills;
    const seconds = (performance.now() - this.#begun) / 1_000;
    this.#options.progress?.(
      [
        `${daemon + client + both} kills (daemon ${daemon}, client ${client}, both ${both})`,
        `${this.#acked} acknowledged`,
        `${this.#collector.delivered.size} delivered`,
        `${Math.round(seconds)} s`,
      ].join(', '),
    );
  }
}
