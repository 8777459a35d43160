import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UnsteadyCollector } from './collector.ts';
import { Issuer, Loader } from './loader.ts';
import { Notes } from './notes.ts';

export interface CampaignOptions {
  readonly kills: number;
  /** How many are issued, in all. */
  readonly events: number;
  readonly seed: number;
  readonly progress?: (line: string) => void;
}

export interface CampaignResult {
  readonly acked: number;
  /** Acknowledged, and never delivered. */
  readonly lost: number;
  /** Delivered once more. */
  readonly duplicated: number;
  /** Delivered, and never issued, or not as it was issued. */
  readonly foreign: number;
  readonly kills: number;
  /** From a kill to the next acknowledgement, in milliseconds: half of them, and all but one in a hundred, took no longer. */
  readonly recovery: { readonly p50: number; readonly p99: number };
}

const LOADERS = 4;
const ENTRY = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'index.ts');

/** A generator of numbers in [0, 1) that can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One life of the daemon after another. */
class Lives {
  readonly #args: readonly string[];
  #child: ChildProcess;
  #said = '';

  constructor(args: readonly string[]) {
    this.#args = args;
    this.#child = this.#start();
  }

  begin(): void {
    this.#child = this.#start();
  }

  async listening(): Promise<void> {
    while (!this.#said.includes('listening at')) {
      if (this.#child.exitCode !== null) throw new Error(`the daemon ended by itself: ${this.#said}`);
      await sleep(5);
    }
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null) throw new Error(`the daemon ended by itself: ${this.#said}`);
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [code] = (await exit) as [number | null];
    if (code !== 0) throw new Error(`the daemon ended with ${code}: ${this.#said}`);
  }

  /** Only the end of what it says, should it be wanted. */
  #start(): ChildProcess {
    this.#said = '';
    const child = spawn(process.execPath, ['--import', 'tsx', ENTRY, ...this.#args], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-10_000);
    });
    return child;
  }
}

/** Kills a daemon again and again while clients send, and then looks whether all that it had acknowledged was delivered. */
export async function runCampaign({ kills, events, seed, progress }: CampaignOptions): Promise<CampaignResult> {
  const folder = mkdtempSync(join(tmpdir(), 'cq-'));
  const random = randomOf(seed);
  const collector = new UnsteadyCollector(randomOf(seed + 1));
  await collector.open();
  const issuer = new Issuer();
  const notes = new Notes(join(folder, 'acknowledged'));
  const path = join(folder, 'd.sock');
  const recoveries: number[] = [];
  let killedAt: number | undefined;
  let acks = 0;
  const onAck = (): void => {
    acks++;
    if (killedAt !== undefined) recoveries.push(performance.now() - killedAt);
    killedAt = undefined;
  };
  const lives = new Lives([
    ...['daemon', '--listen', `unix:${path}`, '--store', join(folder, 'spool')],
    ...['--endpoint', `http://127.0.0.1:${collector.port}`, '--batch-size', '50', '--flush-interval', '20'],
    ...['--max-retry-delay', '100', '--shutdown-timeout', '120000', '--log', 'json'],
  ]);
  const loaders = Array.from(
    { length: LOADERS },
    (_, at) =>
      new Loader({ name: `loader-${at}`, place: { path }, issuer, notes, random: randomOf(seed + 2 + at), onAck }),
  );
  const working = Promise.all(loaders.map((loader) => loader.run()));
  try {
    for (let kill = 0; kill < kills; kill++) {
      // What is not issued in a life that ends early is so in the next.
      issuer.allowed = Math.ceil((events * (kill + 1)) / (kills + 1));
      await Promise.race([somewhere(lives, random, () => acks), working]);
      killedAt = performance.now();
      await lives.kill();
      lives.begin();
      if ((kill + 1) % 10 === 0) {
        progress?.(`${kill + 1} kills, ${issuer.issued} issued, ${collector.delivered.size} delivered`);
      }
    }
    issuer.allowed = events;
    const isDone = (): boolean => issuer.issued === events && loaders.every(({ isIdle }) => isIdle);
    const done = async (): Promise<void> => {
      while (!isDone()) await sleep(10);
    };
    await Promise.race([done(), working]);
    for (const loader of loaders) loader.end();
    await working;
    await lives.stop();
    const acked = notes.close();
    const counts = [...collector.delivered.values()];
    return {
      acked: acked.length,
      lost: acked.filter((id) => !collector.delivered.has(id)).length,
      duplicated: counts.reduce((sum, count) => sum + count - 1, 0),
      foreign: collector.foreign + [...collector.delivered.keys()].filter((id) => id < 0 || id >= issuer.issued).length,
      kills,
      recovery: { p50: quantile(recoveries, 0.5), p99: quantile(recoveries, 0.99) },
    };
  } finally {
    for (const loader of loaders) loader.end();
    await lives.kill().catch(() => undefined);
    await collector.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A moment to kill it: every fourth time while it starts, else when it works, or is about to. */
async function somewhere(lives: Lives, random: () => number, acks: () => number): Promise<void> {
  if (random() < 0.25) return sleep(random() * 700);
  await lives.listening();
  const before = acks();
  if (random() < 0.8) while (acks() === before) await sleep(1);
  await sleep(random() * 250);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
