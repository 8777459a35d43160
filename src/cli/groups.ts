import { readFileSync } from 'node:fs';
import { UsageError } from './command.ts';

/** The id of a group, given by number or by name. Node cannot ask for a name, so the file is read: group(5). */
export function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readGroups().find((one) => one.startsWith(`${group}:`));
  const id = Number(line?.split(':')[2]);
  if (line !== undefined && Number.isInteger(id)) return id;
  throw new UsageError(`--socket-group: there is no group '${group}' in /etc/group`);
}

function readGroups(): readonly string[] {
  try {
    return readFileSync('/etc/group', 'utf8').split('\n');
  } catch {
    return [];
  }
}
