import { chmod, chown, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { ListenError } from './errors.ts';

/** How a Unix socket is to be shared. */
export interface SocketSharing {
  /** Its permissions, as chmod takes them. */
  readonly mode: number;
  /** The id of the group that it shall belong to. */
  readonly group: number | undefined;
}

/**
 * Makes room for a Unix socket: makes its folder, for the owner alone, and removes what an earlier daemon left behind. Only
 * a socket is ever removed, and only if nobody answers there.
 *
 * @throws {@link ListenError} if the place is taken.
 */
export async function makeRoom(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new ListenError(`${path} exists and is no socket: it is left alone`);
  if (await answers(path)) throw new ListenError(`somebody listens at ${path} already`);
  await unlink(path);
}

/** Until now nobody but the owner could connect, because the socket was made under a mask. */
export async function share(path: string, { mode, group }: SocketSharing): Promise<void> {
  if (group !== undefined) await chown(path, -1, group);
  await chmod(path, mode);
}

/** Whether a connection is accepted; one that is refused for other reasons counts as one, to be on the safe side. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
