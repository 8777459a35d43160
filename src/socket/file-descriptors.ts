import { readFileSync } from 'node:fs';

/** What the spool needs for itself: two databases with their tables, requests, logs, the sockets it listens at. */
const RESERVED = 256;

/** Where the limit cannot be read: what systems usually allow. */
const USUAL_LIMIT = 1_024;

/** How many connections leave enough file descriptors for everything else. */
export function mostConnections(limit: number = openFilesLimit()): number {
  return Math.max(1, limit > 2 * RESERVED ? limit - RESERVED : Math.floor(limit / 2));
}

/** The soft limit of open files of this process. Linux tells; see proc(5). */
function openFilesLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? USUAL_LIMIT);
  } catch {
    return USUAL_LIMIT;
  }
}
