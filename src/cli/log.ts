import { describeThrown } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

/** How a command tells what goes on. */
export type LogFormat = 'text' | 'json';

type Level = 'info' | 'warn' | 'error';

/** Lines for people, or JSON for machines: a line each, on standard error. */
export function createLog(format: LogFormat, write: (text: string) => void): Logger {
  const log =
    (level: Level) =>
    (fields: object, message: string): void => {
      const time = new Date().toISOString();
      write(format === 'json' ? jsonLine(time, level, fields, message) : textLine(time, level, fields, message));
    };
  return { info: log('info'), warn: log('warn'), error: log('error') };
}

function jsonLine(time: string, level: Level, fields: object, message: string): string {
  const own = { time, level, message };
  const others = namedForPeople(fields).filter(([name]) => !Object.hasOwn(own, name));
  const plain = Object.fromEntries(others.map(([name, value]) => [name, plainly(value)]));
  return `${JSON.stringify({ ...own, ...plain })}\n`;
}

function textLine(time: string, level: Level, fields: object, message: string): string {
  const pairs = namedForPeople(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${typeof value === 'number' ? round(value) : plainly(value)}`);
  const mark = level === 'info' ? '' : ` ${level.toUpperCase()}`;
  return `${time.slice(11, 19)}${mark} ${message}${pairs.join('')}\n`;
}

/** The library says `err`, as pino wants it. */
function namedForPeople(fields: object): [name: string, value: unknown][] {
  return Object.entries(fields).map(([name, value]) => [name === 'err' ? 'error' : name, value]);
}

function plainly(value: unknown): unknown {
  return value instanceof Error ? describeThrown(value) : value;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
