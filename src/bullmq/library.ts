import { MissingPackageError, UnusablePackageError } from '../core/errors.ts';

/** BullMQ, as far as it is used. */
export type BullMQ = Pick<typeof import('bullmq'), 'Queue' | 'Worker'>;
export type IORedis = Pick<typeof import('ioredis'), 'Redis'>;

/** The optional packages, loaded when the first queue is initialised. */
export interface Library {
  readonly bullmq: BullMQ;
  readonly ioredis: IORedis;
}

const NEED = 'BullMQCollectorQueue';

/** @throws {@link MissingPackageError}, {@link UnusablePackageError} */
export async function loadLibrary(): Promise<Library> {
  return {
    ioredis: await loaded('ioredis', () => import('ioredis')),
    bullmq: await loaded('bullmq', () => import('bullmq')),
  };
}

async function loaded<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const missing = new RegExp(`Cannot find (package|module) '${name}'`).test(String(error));
    throw new (missing ? MissingPackageError : UnusablePackageError)(name, NEED, error);
  }
}
