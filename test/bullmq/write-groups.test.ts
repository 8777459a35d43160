import { Writable } from 'node:stream';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { redisMaker } from '../../src/bullmq/redis-client.ts';
import { WriteGroups } from '../../src/bullmq/write-groups.ts';
import { redisForTest } from '../redis-server.ts';

/** What is written to it, one entry for each write. */
class Written extends Writable {
  readonly writes: string[][] = [];

  constructor() {
    super({ decodeStrings: false });
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.writes.push([chunk]);
    done();
  }

  override _writev(chunks: { chunk: string }[], done: () => void): void {
    this.writes.push(chunks.map(({ chunk }) => chunk));
    done();
  }
}

/** Commands that are given to a socket as a client does it; each of them has no answer until it is taken. */
class Commands {
  readonly socket = new Written();
  readonly groups = new WriteGroups();
  unanswered = 0;
  given = 0;

  give(commands: number): void {
    for (let left = commands; left > 0; left--) {
      const isLast = this.groups.join(this.socket, this.unanswered);
      this.socket.write(`${this.given++}`);
      this.unanswered++;
      if (isLast) this.groups.end();
    }
  }

  get sizes(): number[] {
    return this.socket.writes.map(({ length }) => length);
  }
}

const endOfTick = (): Promise<void> => new Promise(setImmediate);

describe('commands of a tick', () => {
  test('are written at once if Redis has nothing in hand', () => {
    const commands = new Commands();
    commands.give(1);
    expect(commands.sizes).toEqual([1]);
    commands.unanswered = 0;
    commands.give(1);
    expect(commands.sizes).toEqual([1, 1]);
  });

  test('are written in groups that grow with what Redis has in hand, the rest at the end', async () => {
    const commands = new Commands();
    commands.give(30);
    expect(commands.sizes).toEqual([1, 2, 6, 8, 8]);
    await endOfTick();
    expect(commands.sizes).toEqual([1, 2, 6, 8, 8, 5]);
  });

  test('wait for no later tick, though groups began and ended in this one', async () => {
    const commands = new Commands();
    commands.unanswered = 100;
    commands.give(9);
    expect(commands.sizes).toEqual([8]);
    await endOfTick();
    expect(commands.sizes).toEqual([8, 1]);
    commands.give(1);
    expect(commands.sizes).toEqual([8, 1]);
    await endOfTick();
    expect(commands.sizes).toEqual([8, 1, 1]);
  });

  test('leave in their order, all of them by the end of each tick, and never more than 8 together', async () => {
    const step = fc.record({ given: fc.nat({ max: 40 }), answered: fc.nat({ max: 60 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const commands = new Commands();
        for (const { given, answered } of steps) {
          commands.give(given);
          await endOfTick();
          expect(commands.socket.writes.flat()).toEqual(Array.from({ length: commands.given }, (_, at) => `${at}`));
          expect(commands.socket.writableCorked).toBe(0);
          commands.unanswered = Math.max(0, commands.unanswered - answered);
        }
        expect(Math.max(0, ...commands.sizes)).toBeLessThanOrEqual(8);
      }),
    );
  });
});

describe('a client', () => {
  test('has each command answered as it was given: alone, in a pipeline, in a transaction, with a script', async () => {
    const { port } = await redisForTest();
    const client = new (redisMaker({ Redis }))({ port });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => [
        client.incr('count'),
        client.pipeline().incr('count').incr('count').exec(),
        client.multi().incr('count').exec(),
        client.eval('return redis.call("INCR", KEYS[1])', 1, 'count'),
        client.echo(`${at}`),
      ]).flat(),
    );
    const numbers = answers.flatMap((answer) =>
      Array.isArray(answer) ? answer.map(([, number]) => number) : [answer],
    );
    const expected = Array.from({ length: 50 }, (_, at) => [1, 2, 3, 4, 5].map((nth) => at * 5 + nth).concat(at));
    expect(numbers.map(Number)).toEqual(expected.flat());
    await client.quit();
  });

  test('that is let go, or quits, in the tick of its commands leaves none of them without an end', async () => {
    const { port } = await redisForTest();
    const lost = new (redisMaker({ Redis }))({ port });
    await lost.ping();
    const settling = Array.from({ length: 20 }, () => lost.ping());
    lost.disconnect();
    expect(await Promise.allSettled(settling)).toHaveLength(20);

    const quitting = new (redisMaker({ Redis }))({ port });
    const answers = Array.from({ length: 20 }, () => quitting.ping());
    await quitting.quit();
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, () => 'PONG'));
  });
});
