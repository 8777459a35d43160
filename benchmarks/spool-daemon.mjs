/** A spool daemon in a process of its own, as one starts it: `collector-queue daemon`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../dist/cli/index.js', import.meta.url));

/** In hundredths of a second: what Linux counts CPU time in. */
const TICK_US = 10_000;

/** Resolves once it listens. It keeps its spool and its socket in the folder. */
export async function startDaemon({ folder, endpoint }) {
  const socket = join(folder, 'daemon.sock');
  const args = ['--listen', `unix:${socket}`, '--store', join(folder, 'spool'), '--endpoint', endpoint];
  const daemon = spawn(process.execPath, [command, 'daemon', ...args, '--health-port', '0', '--log', 'json'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const exit = once(daemon, 'exit');
  // Whoever measures must leave nobody behind.
  process.once('exit', () => daemon.kill('SIGKILL'));
  const healthPort = await listening(daemon);
  return {
    socket,
    pid: daemon.pid,
    async metrics() {
      return (await fetch(`http://127.0.0.1:${healthPort}/health`)).json();
    },
    cpuUs: () => cpuUs(daemon.pid),
    resident: () => resident(daemon.pid),
    async kill() {
      daemon.kill('SIGKILL');
      await exit;
    },
  };
}

async function listening(daemon) {
  const told = [];
  let port;
  for await (const line of createInterface({ input: daemon.stderr })) {
    told.push(line);
    const entry = line.startsWith('{') ? JSON.parse(line) : {};
    port ??= entry.message === 'health and metrics' ? entry.port : undefined;
    if (!entry.message?.startsWith('listening at')) continue;
    daemon.stderr.resume();
    return port;
  }
  throw new Error(`the daemon did not start: ${told.join(' ')}`);
}

/** Of a process, so far; NaN where the system does not tell. */
function cpuUs(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return Number.NaN;
  }
}

/** Megabytes of memory, and how many of them are no part of a file. */
function resident(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const megabytes = (name) => (Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1]) * 1_024) / 1e6;
    return { resident: megabytes('VmRSS'), anonymous: megabytes('RssAnon') };
  } catch {
    return { resident: Number.NaN, anonymous: Number.NaN };
  }
}
