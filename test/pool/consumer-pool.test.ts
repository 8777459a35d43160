import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { LifoBuffer } from '../../src/pool/linked-buffer.ts';
import { PriorityBuffer } from '../../src/pool/priority-buffer.ts';
import { settlePromises } from '../../src/testing/manual-clock.ts';
import { endsAtOnce, goesOn, type Job, PoolScene } from './scene.ts';

describe('offering work', () => {
  test('claims a consumer at once, but starts the work later', async () => {
    const scene = new PoolScene();
    const job = scene.offer();
    expect(job.state).toBe('claimed');
    expect(scene.pool.busy).toBe(1);
    expect(scene.pool.waiting).toBe(0);
    expect(scene.pool.unstarted()).toEqual([job]);
    await settlePromises();
    expect(job.state).toBe('running');
    expect(scene.pool.unstarted()).toEqual([]);
  });

  test('makes consumers up to the maximum; what comes then waits', async () => {
    const scene = new PoolScene({ minConsumers: 2, maxConsumers: 4 });
    expect(scene.pool.consumers).toBe(2);
    expect(scene.pool.claimable).toBe(4);
    scene.offerMany(6);
    expect(scene.pool.consumers).toBe(4);
    expect(scene.pool.busy).toBe(4);
    expect(scene.pool.waiting).toBe(2);
    expect(scene.pool.claimable).toBe(0);
    await settlePromises();
    expect(scene.started).toHaveLength(4);
  });

  test('wakes up once for a whole burst, and reports its growth once', async () => {
    const scene = new PoolScene({ maxConsumers: 100 });
    let startedThen = -1;
    scene.offerMany(50);
    queueMicrotask(() => {
      startedThen = scene.started.length;
    });
    scene.offerMany(50);
    expect(scene.scalings).toEqual([]);
    await settlePromises();
    expect(startedThen).toBe(100);
    expect(scene.scalings).toEqual([[1, 100]]);
  });

  test('runs no work and tells nobody anything before it returns', () => {
    const scene = new PoolScene();
    scene.pool.watched = true;
    scene.offerMany(20);
    expect(scene.started).toEqual([]);
    expect(scene.scalings).toEqual([]);
    expect(scene.rooms).toBe(0);
    expect(scene.quiets).toBe(0);
  });

  test('starts what is claimed before what waits, although a consumer is free before that of the claim', async () => {
    const scene = new PoolScene({ maxConsumers: 3 });
    const first = scene.offer(goesOn, 'first');
    await settlePromises();
    scene.offer(endsAtOnce, 'second');
    scene.offer(goesOn, 'third');
    scene.offer(goesOn, 'fourth');
    scene.offer(goesOn, 'fifth');
    first.end();
    expect(scene.names(scene.started)).toEqual(['first', 'second', 'third']);
    await settlePromises();
    expect(scene.names(scene.started)).toEqual(['first', 'second', 'third', 'fourth', 'fifth']);
    expect([scene.pool.busy, scene.pool.waiting]).toEqual([3, 0]);
    for (const job of scene.started.slice(2)) job.end();
    expect([scene.pool.busy, scene.quiets]).toEqual([0, 1]);
  });

  test('from within work is safe with a single consumer, and comes after what waits', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    scene.offer(() => {
      scene.offer(endsAtOnce, 'third');
      return false;
    }, 'first');
    scene.offer(endsAtOnce, 'second');
    await settlePromises();
    expect(scene.names(scene.started)).toEqual(['first', 'second', 'third']);
  });

  test('runs all work in the async context in which the pool was made', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const scene = storage.run('maker', () => new PoolScene({ maxConsumers: 1 }));
    const look = (): boolean => {
      seen.push(storage.getStore());
      return false;
    };
    storage.run('first sender', () => scene.offer(look));
    storage.run('second sender', () => scene.offer(look));
    await settlePromises();
    expect(seen).toEqual(['maker', 'maker']);
    const sum = storage.run('caller', () =>
      scene.pool.runInScope(
        function (this: unknown, a: number, b: number) {
          seen.push(storage.getStore());
          expect(this).toBe(scene);
          return a + b;
        },
        scene,
        1,
        2,
      ),
    );
    expect(sum).toBe(3);
    expect(seen.at(-1)).toBe('maker');
  });
});

describe('the order of work', () => {
  test('is that of acceptance with a list', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const jobs = scene.offerMany(5, endsAtOnce);
    await settlePromises();
    expect(scene.started).toEqual(jobs);
  });

  test('is newest first with a stack, but for what was claimed at once', async () => {
    const scene = new PoolScene({ maxConsumers: 1, buffer: new LifoBuffer() });
    for (const name of ['a', 'b', 'c', 'd']) scene.offer(endsAtOnce, name);
    await settlePromises();
    expect(scene.names(scene.started)).toEqual(['a', 'd', 'c', 'b']);
  });

  test('is lowest first by priority, ties by acceptance, but for what was claimed at once', async () => {
    const scene = new PoolScene({ maxConsumers: 1, buffer: new PriorityBuffer() });
    for (const [name, priority] of [
      ['claimed', 9],
      ['later', 5],
      ['tie 1', 1],
      ['tie 2', 1],
      ['first', -3],
    ] as const)
      scene.offer(endsAtOnce, name, priority);
    await settlePromises();
    expect(scene.names(scene.started)).toEqual(['claimed', 'first', 'tie 1', 'tie 2', 'later']);
  });

  test('lets what was given back go before all that waits, in the order of its return', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const [running] = scene.offerMany(1);
    scene.offer(endsAtOnce, 'waiting');
    await settlePromises();
    scene.pool.giveBack(scene.job(endsAtOnce, 'returned first'));
    scene.pool.giveBack(scene.job(endsAtOnce, 'returned second'));
    expect(scene.names(scene.pool.unstarted())).toEqual(['returned first', 'returned second']);
    running?.end();
    await settlePromises();
    expect(scene.names(scene.started).slice(1)).toEqual(['returned first', 'returned second', 'waiting']);
  });

  test('lets nothing overtake what was given back', async () => {
    const scene = new PoolScene({ maxConsumers: 2 });
    scene.pool.giveBack(scene.job(goesOn, 'returned'));
    scene.offer(goesOn, 'offered');
    expect(scene.pool.waiting).toBe(1);
    await settlePromises();
    expect(scene.names(scene.claimed)).toEqual(['returned', 'offered']);
    expect(scene.pool.busy).toBe(2);
  });
});

describe('work that ends', () => {
  test('frees its consumer for the next at once', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const [first, second] = scene.offerMany(2);
    await settlePromises();
    first?.end();
    expect(second?.state).toBe('running');
    expect(scene.pool.busy).toBe(1);
    second?.end();
    expect(scene.pool.busy).toBe(0);
  });

  test('tells that all is quiet when the last consumer becomes idle', async () => {
    const scene = new PoolScene();
    const jobs = scene.offerMany(3);
    await settlePromises();
    jobs[0]?.end();
    jobs[1]?.end();
    expect(scene.quiets).toBe(0);
    jobs[2]?.end();
    expect(scene.quiets).toBe(1);
    scene.offer(endsAtOnce);
    await settlePromises();
    expect(scene.quiets).toBe(2);
  });

  test('overflows no stack, however much of it ends at once', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const total = 1_000_000;
    let runs = 0;
    const run = (): boolean => {
      runs++;
      return false;
    };
    for (let i = 0; i < total; i++) scene.pool.offer(scene.job(run, ''));
    await scene.clock.turn();
    expect(runs).toBe(total);
    expect(scene.pool.busy).toBe(0);
    expect(scene.pool.waiting).toBe(0);
  });

  test('overflows no stack when it was parked, or has a consumer each', async () => {
    const scene = new PoolScene({ maxConsumers: 100_000 });
    let runs = 0;
    const run = (): boolean => {
      runs++;
      return false;
    };
    for (let i = 0; i < 100_000; i++) scene.offer(run, '');
    for (let i = 0; i < 100_000; i++) scene.pool.giveBack(scene.job(run, ''));
    await scene.clock.turn();
    expect(runs).toBe(200_000);
    expect(scene.pool.busy).toBe(0);
  });
});

describe('time slices', () => {
  /** Work that keeps the thread for a millisecond. */
  function busyFor(scene: PoolScene, duration: number, after: (job: Job) => boolean) {
    return (job: Job): boolean => {
      scene.clock.consume(duration);
      return after(job);
    };
  }

  test('end after ten milliseconds: timers and I/O get a turn, then it goes on', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    scene.offerMany(100, busyFor(scene, 1, endsAtOnce));
    await settlePromises();
    expect(scene.started.length).toBeGreaterThanOrEqual(9);
    expect(scene.started.length).toBeLessThanOrEqual(12);
    expect(scene.clock.pendingTurns).toBe(1);
    await scene.clock.turn();
    expect(scene.started).toHaveLength(100);
    expect(scene.clock.now()).toBe(100);
  });

  test('end for all consumers together', async () => {
    const scene = new PoolScene({ maxConsumers: 10 });
    const jobs = scene.offerMany(30);
    await settlePromises();
    scene.clock.consume(50);
    for (const job of jobs.slice(0, 10)) job.end();
    await scene.clock.turn();
    expect(scene.running).toHaveLength(10);
    expect(scene.pool.busy).toBe(10);
    expect(scene.pool.waiting).toBe(10);
  });

  test('let what is offered meanwhile be claimed, and start it after the turn', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    scene.offerMany(11, busyFor(scene, 1, endsAtOnce));
    await settlePromises();
    const late = scene.offer(endsAtOnce);
    await settlePromises();
    expect(['new', 'claimed']).toContain(late.state);
    await scene.clock.turn();
    expect(late.state).toBe('ended');
  });

  test.each([
    ['goes on', goesOn],
    ['ends at once', endsAtOnce],
  ])('end also when every piece of a burst has a consumer of its own and %s', async (_, after) => {
    const scene = new PoolScene({ maxConsumers: 1_000 });
    scene.offerMany(1_000, busyFor(scene, 1, after));
    await settlePromises();
    expect(scene.clock.now()).toBeLessThanOrEqual(12);
    await scene.clock.turn();
    expect(scene.started).toHaveLength(1_000);
  });

  test('end also when work keeps making work for a consumer that is idle', async () => {
    const scene = new PoolScene({ maxConsumers: 10 });
    let links = 0;
    const link = (): boolean => {
      scene.clock.consume(1);
      if (++links < 1_000) scene.offer(link);
      return false;
    };
    scene.offer(link);
    await settlePromises();
    expect(scene.clock.now()).toBeLessThanOrEqual(12);
    await scene.clock.turn();
    expect(links).toBe(1_000);
  });

  test('end also when each piece of a chain of promises is new work for a consumer that is idle', async () => {
    const scene = new PoolScene({ maxConsumers: 10 });
    let links = 0;
    const link = (job: Job): boolean => {
      scene.clock.consume(1);
      void Promise.resolve().then(() => {
        job.end();
        if (++links < 1_000) scene.offer(link);
      });
      return true;
    };
    scene.offer(link);
    await settlePromises();
    expect(scene.clock.now()).toBeLessThanOrEqual(12);
    await scene.clock.turn();
    expect(links).toBe(1_000);
  });

  test('begin with the turn in which work ends: after a while, its consumer takes the next at once', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const jobs = scene.offerMany(20);
    await scene.clock.turn();
    for (const [i, job] of jobs.entries()) {
      await scene.clock.advance(80);
      job.end();
      expect(jobs[i + 1]?.state ?? 'running').toBe('running');
    }
  });

  test('are measured with ever fewer looks at the clock while work is quick', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    let readings = 0;
    const now = scene.clock.now.bind(scene.clock);
    scene.clock.now = () => {
      readings++;
      return now();
    };
    scene.offerMany(64_000, endsAtOnce);
    await scene.clock.turn();
    expect(readings).toBeLessThan(1_100);
  });
});

describe('a pause', () => {
  test('holds back what waits and what comes; what is claimed goes on', async () => {
    const scene = new PoolScene({ maxConsumers: 2 });
    const [claimed] = scene.offerMany(1);
    scene.pool.pause();
    expect(scene.pool.paused).toBe(true);
    expect(scene.pool.claimable).toBe(0);
    const late = scene.offer();
    await scene.clock.advance(10_000);
    expect(claimed?.state).toBe('running');
    expect(late.state).toBe('new');
    claimed?.end();
    await scene.clock.advance(10_000);
    expect(late.state).toBe('new');
    expect(scene.pool.waiting).toBe(1);
    expect(scene.pool.busy).toBe(0);
  });

  test('ends with everything that waits being taken', async () => {
    const scene = new PoolScene({ maxConsumers: 3 });
    scene.pool.pause();
    scene.pool.giveBack(scene.job(goesOn, 'returned'));
    scene.offerMany(4);
    await scene.clock.turn();
    expect(scene.claimed).toEqual([]);
    scene.pool.resume();
    expect(scene.pool.paused).toBe(false);
    await scene.clock.turn();
    expect(scene.names(scene.started)[0]).toBe('returned');
    expect(scene.pool.busy).toBe(3);
    expect(scene.pool.waiting).toBe(2);
  });

  test('makes no consumers for what waits, and takes those that are not needed', async () => {
    const scene = new PoolScene({ maxConsumers: 10 });
    const jobs = scene.offerMany(5);
    await settlePromises();
    scene.pool.pause();
    scene.offerMany(50);
    for (const job of jobs) job.end();
    await scene.clock.advance(5_000);
    expect(scene.pool.consumers).toBe(1);
    expect(scene.clock.pendingTimers).toBe(0);
  });
});

describe('taking work out', () => {
  test('takes what would be next, the victim of an overflow, or this very work', async () => {
    const scene = new PoolScene({ maxConsumers: 1, buffer: new LifoBuffer() });
    const [, oldest, middle, newest, rest] = scene.offerMany(5);
    expect(scene.pool.takeWaiting()).toBe(rest);
    expect(scene.pool.takeVictim()).toBe(oldest);
    scene.pool.withdraw(middle as Job);
    expect(scene.pool.waiting).toBe(1);
    expect(scene.pool.takeWaiting()).toBe(newest);
    expect(scene.pool.takeWaiting()).toBeUndefined();
    await settlePromises();
    expect(scene.started).toHaveLength(1);
  });

  test('tells whoever watches that there is room', () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const [, first, second] = scene.offerMany(3);
    scene.pool.withdraw(first as Job);
    expect(scene.rooms).toBe(0);
    scene.pool.watched = true;
    scene.pool.withdraw(second as Job);
    expect(scene.rooms).toBe(1);
  });
});

describe('room', () => {
  test('is told whenever fewer wait or a consumer becomes idle, while somebody watches', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    const [first, second, third] = scene.offerMany(3);
    await settlePromises();
    const seen: [waiting: number, claimable: number][] = [];
    scene.onRoom = () => seen.push([scene.pool.waiting, scene.pool.claimable]);
    first?.end();
    expect(seen).toEqual([]);
    scene.pool.watched = true;
    second?.end();
    expect(seen).toEqual([[0, 0]]);
    third?.end();
    expect(seen).toEqual([
      [0, 0],
      [0, 1],
    ]);
    scene.pool.watched = false;
    scene.offer(endsAtOnce);
    await settlePromises();
    expect(seen).toHaveLength(2);
  });

  test('may be filled while it is told', async () => {
    const scene = new PoolScene({ maxConsumers: 1 });
    scene.offerMany(2, endsAtOnce);
    scene.pool.watched = true;
    let more = 100;
    scene.onRoom = () => {
      if (more > 0 && scene.pool.waiting === 0) {
        more--;
        scene.offer(endsAtOnce);
      }
    };
    await scene.clock.turn();
    expect(more).toBe(0);
    expect(scene.started).toHaveLength(102);
    expect(scene.pool.waiting).toBe(0);
    expect(scene.pool.busy).toBe(0);
  });
});

describe('scaling', () => {
  test('keeps consumers for the idle timeout after they were needed, then falls back to the minimum', async () => {
    const scene = new PoolScene({ minConsumers: 2, maxConsumers: 50, idleTimeout: 1_000 });
    const jobs = scene.offerMany(30);
    await scene.clock.advance(500);
    for (const job of jobs) job.end();
    await scene.clock.advance(999);
    expect(scene.pool.consumers).toBe(30);
    await scene.clock.advance(201);
    expect(scene.pool.consumers).toBe(2);
    expect(scene.scalings).toEqual([
      [2, 30],
      [30, 2],
    ]);
  });

  test('never takes a consumer that is busy', async () => {
    const scene = new PoolScene({ maxConsumers: 50 });
    const jobs = scene.offerMany(30);
    await scene.clock.advance(100);
    for (const job of jobs.slice(5)) job.end();
    await scene.clock.advance(60_000);
    expect(scene.pool.consumers).toBe(5);
    expect(scene.pool.busy).toBe(5);
  });

  test('keeps what was busy at once within the idle timeout, whenever that was', async () => {
    const scene = new PoolScene({ maxConsumers: 50, idleTimeout: 1_000 });
    for (let i = 0; i < 40; i++) {
      const jobs = scene.offerMany(20);
      await scene.clock.advance(5);
      for (const job of jobs) job.end();
      await scene.clock.advance(495);
      expect(scene.pool.consumers).toBe(20);
    }
    expect(scene.scalings).toEqual([[1, 20]]);
  });

  test("keeps what Little's law says a steady load needs, even if little of it is busy now", async () => {
    const scene = new PoolScene({ maxConsumers: 50, idleTimeout: 200 });
    const hundredPerSecond = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds * 10; i++) {
        scene.offerMany(10, endsAtOnce);
        await scene.clock.advance(100);
      }
    };
    // 100 arrivals a second of 100 ms each keep 10 busy, 11.5 with the margin.
    scene.meter.served(100);
    const early = scene.offerMany(40);
    await hundredPerSecond(4);
    expect(scene.pool.consumers).toBe(50);
    for (const job of early) job.end();
    await hundredPerSecond(56);
    expect(scene.pool.consumers).toBe(12);
    await scene.clock.advance(70_000);
    expect(scene.pool.consumers).toBe(1);
  });

  test('rests while the pool is idle at its minimum: no timer is left', async () => {
    const scene = new PoolScene();
    expect(scene.clock.pendingTimers).toBe(0);
    scene.offerMany(8, endsAtOnce);
    await settlePromises();
    expect(scene.clock.pendingTimers).toBe(1);
    await scene.clock.advance(5_000);
    expect(scene.pool.consumers).toBe(1);
    expect(scene.clock.pendingTimers).toBe(0);
    scene.offer(endsAtOnce);
    await settlePromises();
    expect(scene.clock.pendingTimers).toBe(1);
    await scene.clock.advance(5_000);
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('looks only now and then, in the background', async () => {
    for (const [idleTimeout, tick] of [
      [0, 10],
      [50, 10],
      [1_000, 100],
      [60_000, 1_000],
    ] as const) {
      const scene = new PoolScene({ idleTimeout });
      const timers: [delay: number, background: boolean | undefined][] = [];
      const setTimer = scene.clock.setTimer.bind(scene.clock);
      scene.clock.setTimer = (callback: () => void, delay: number, background?: boolean) => {
        timers.push([delay, background]);
        return setTimer(callback, delay);
      };
      scene.offer();
      await scene.clock.advance(tick * 3);
      expect(new Set(timers.map(([delay]) => delay))).toEqual(new Set([tick]));
      expect(timers.every(([, background]) => background)).toBe(true);
      expect(timers).toHaveLength(4);
    }
  });

  test('without an idle timeout lets consumers go at the next look', async () => {
    const scene = new PoolScene({ idleTimeout: 0 });
    const jobs = scene.offerMany(5);
    await scene.clock.advance(100);
    for (const job of jobs) job.end();
    await scene.clock.advance(20);
    expect(scene.pool.consumers).toBe(1);
  });

  test('keeps a long idle timeout as well', async () => {
    const hour = 3_600_000;
    const scene = new PoolScene({ idleTimeout: hour });
    const jobs = scene.offerMany(5);
    await scene.clock.advance(100_000);
    for (const job of jobs) job.end();
    await scene.clock.advance(hour);
    expect(scene.pool.consumers).toBe(5);
    await scene.clock.advance(hour / 5);
    expect(scene.pool.consumers).toBe(1);
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('copes with an idle timeout of ages', async () => {
    const scene = new PoolScene({ idleTimeout: Number.MAX_SAFE_INTEGER });
    const jobs = scene.offerMany(5);
    await scene.clock.advance(100);
    for (const job of jobs) job.end();
    await scene.clock.advance(100_000);
    expect(scene.pool.consumers).toBe(5);
  });
});

describe('a pool that was stopped', () => {
  test('leaves no timer behind', async () => {
    const scene = new PoolScene();
    const jobs = scene.offerMany(5);
    await scene.clock.advance(250);
    for (const job of jobs) job.end();
    await scene.clock.turn();
    scene.pool.stop();
    await scene.clock.turn();
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('leaves no timer behind when its last work ends just before', async () => {
    const scene = new PoolScene();
    const jobs = scene.offerMany(5);
    await scene.clock.advance(250);
    for (const job of jobs) job.end();
    scene.pool.stop();
    await scene.clock.turn();
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('leaves no timer behind when work that was left behind ends afterwards', async () => {
    const scene = new PoolScene();
    const jobs = scene.offerMany(5);
    await scene.clock.advance(250);
    scene.pool.stop();
    jobs[0]?.end();
    await scene.clock.turn();
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('leaves no timer behind when it was woken just before', async () => {
    const scene = new PoolScene();
    scene.pool.resume();
    scene.pool.stop();
    await scene.clock.turn();
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('leaves no timer behind when work that was left behind ends afterwards, and more waits', async () => {
    const scene = new PoolScene({ maxConsumers: 2 });
    const jobs = scene.offerMany(5);
    await scene.clock.advance(250);
    scene.pool.stop();
    for (const job of jobs) {
      if (job.state === 'running') job.end();
      await scene.clock.turn();
    }
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test('may be stopped before it had any work', () => {
    const scene = new PoolScene();
    scene.pool.stop();
    expect(scene.clock.pendingTimers).toBe(0);
  });
});
