import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { oneOf, randomOf } from '../../random.ts';
import type { Errand } from './errand.ts';
import { Sink } from './sink.ts';

export interface CampaignOptions {
  readonly kills: number;
  /** How many are to be acknowledged, in all: what the killed ones leave of it comes last, from one that is spared. */
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
  /** Delivered, and never offered, or not as it was offered. */
  readonly foreign: number;
  readonly kills: number;
}

const ADDERS = 64;
const ROLES = ['add', 'add', 'both', 'both', 'forward'] as const;

/** Kills a process with a store again and again, and then looks whether all that it had acknowledged is there. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const folder = mkdtempSync(join(tmpdir(), 'collector-queue-crash-'));
  const sink = await Sink.open();
  try {
    const places = { path: join(folder, 'store'), notes: join(folder, 'acknowledged'), port: sink.port };
    let kills = 0;
    let from = 0;
    const random = randomOf(options.seed);
    while (kills < options.kills) {
      const role = oneOf<Errand['role']>(random, ROLES);
      const share = (options.events - from) / (options.kills - kills);
      const count = role === 'forward' ? 0 : Math.min(options.events - from, Math.ceil(share * (0.5 + random() * 1.5)));
      await killed({ ...places, role, from, count, adders: ADDERS, killed: true }, random);
      from += count;
      kills++;
      if (kills % 10 === 0) options.progress?.(`${kills} kills, ${from} offered, ${sink.delivered.size} delivered`);
    }
    const count = Math.max(0, options.events - acknowledged(places.notes).length);
    const rest = { ...places, from, count, adders: ADDERS, killed: false };
    await finished({ ...rest, role: 'add' });
    await finished({ ...rest, role: 'forward' });
    return { ...sink.compare(acknowledged(places.notes), from + count), kills };
  } finally {
    await sink.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The last line may be torn, like anything that is written when its process is killed. */
function acknowledged(notes: string): number[] {
  if (!existsSync(notes)) return [];
  return readFileSync(notes, 'utf8').split('\n').slice(0, -1).map(Number);
}

function start(errand: Errand): ChildProcess {
  return fork(join(import.meta.dirname, 'child.ts'), [JSON.stringify(errand)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

/** Every fourth time while it opens, otherwise while it works. */
async function killed(errand: Errand, random: () => number): Promise<void> {
  const child = start(errand);
  const exit = once(child, 'exit');
  const early = random() < 0.25;
  const delay = random() * (early ? 60 : 250);
  const awaited = early ? 'opening' : 'working';
  const told = new Promise<void>((resolve) => {
    child.on('message', (message) => message === awaited && resolve());
  });
  await Promise.race([told, exit]);
  await sleep(delay);
  if (child.exitCode !== null) throw new Error(`the child ended by itself, with ${child.exitCode}`);
  child.kill('SIGKILL');
  await exit;
}

async function finished(errand: Errand): Promise<void> {
  const child = start(errand);
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the child failed, with ${code}`);
}
