/**
 * Makes sure that there is a `redis-server` for the tests, and installs one where it may: with apt-get on Debian and
 * its kin (as root, or where sudo asks for no password), with Homebrew on macOS. It says what it does, leaves no
 * service running, and ends with exit code 1 and what to do if there is none in the end.
 *
 * The tests kill, stop and restart servers of their own, so REDIS_URL, which names somebody else's, does not stand in
 * for the binary here; examples and benchmarks that only need some Redis do use it.
 */
import { spawnSync } from 'node:child_process';
import { findRedisServer, NoRedisBinary, type RedisBinary } from './redis-binary.ts';

/**
 * Debian starts a service as soon as its package is installed, unless a policy forbids it. The policy is there for the
 * time of the installation only, and where there is one already, that one decides.
 */
const INSTALL_WITH_APT = `
  set -e
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends redis-server
  if command -v systemctl >/dev/null && systemctl is-system-running >/dev/null 2>&1; then
    systemctl disable redis-server || true
  fi`;

try {
  const { path, version } = find() ?? install();
  console.log(`redis-server ${version}: ${path}`);
} catch (error) {
  if (!(error instanceof NoRedisBinary)) throw error;
  console.error(withoutAdvice(error));
  console.error('Debian, Ubuntu: sudo apt-get install redis-server\nmacOS: brew install redis');
  if (process.env.REDIS_URL) {
    console.error('REDIS_URL is set, but the tests kill and restart servers of their own: they need the binary.');
  }
  process.exitCode = 1;
}

function find(): RedisBinary | undefined {
  try {
    return findRedisServer();
  } catch (error) {
    // Whoever names a binary wants that one and no other.
    if (!(error instanceof NoRedisBinary) || process.env.REDIS_SERVER) throw error;
    console.log(withoutAdvice(error));
    return undefined;
  }
}

/** The last line of the message is to run this. */
function withoutAdvice({ message }: NoRedisBinary): string {
  return message.split('\n').slice(0, -1).join('\n');
}

function install(): RedisBinary {
  const command = installation();
  if (command !== undefined) {
    console.log(`==> installing the package of redis-server with ${command.name}; its service is not started`);
    const { status, error } = spawnSync(command.program, command.args, { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) console.error(`==> the installation failed (${error?.message ?? `exit code ${status}`})`);
  }
  return findRedisServer();
}

function installation(): { name: string; program: string; args: string[] } | undefined {
  if (process.platform === 'darwin' && runs('brew', ['--version'])) {
    return { name: 'Homebrew', program: 'brew', args: ['install', 'redis'] };
  }
  if (process.platform !== 'linux' || !runs('apt-get', ['--version'])) return undefined;
  if (process.getuid?.() === 0) return { name: 'apt-get', program: 'sh', args: ['-c', INSTALL_WITH_APT] };
  if (runs('sudo', ['-n', 'true'])) {
    return { name: 'sudo apt-get', program: 'sudo', args: ['-n', 'sh', '-c', INSTALL_WITH_APT] };
  }
  console.error('==> redis-server cannot be installed from here: that takes root, or sudo without a password');
  return undefined;
}

function runs(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
