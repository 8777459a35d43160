import { createRequire } from 'node:module';
import { Collector, err, ok, ProcessorError, type Result, ResultList } from 'collector-queue';
import { ResultAsync } from 'neverthrow';
import { describe, expect, test } from 'vitest';
import { started } from './scene.ts';

describe('a list of results', () => {
  const list = new ResultList([ok(1), err('no'), ok(undefined)], ['a', 'b', 'c']);

  test('tells how many there are, and to how many collectors the payload was handed', () => {
    expect(list.length).toBe(3);
    expect(list.delivered).toBe(3);
    expect(list.keys()).toEqual(['a', 'b', 'c']);
  });

  test('gives the first, and each by its key', () => {
    expect(list.first()).toEqual(ok(1));
    expect(list.get('a')).toBe(list.first());
    expect(list.get('b')).toEqual(err('no'));
    expect(list.get('c')).toEqual(ok(undefined));
    expect(list.get('d')).toBeUndefined();
    for (const name of ['__proto__', 'constructor', 'toString', 'length', '0']) {
      expect(list.get(name)).toBeUndefined();
    }
  });

  test('can be iterated as often as one likes, in both kinds of loop', async () => {
    const all = [ok(1), err('no'), ok(undefined)];
    expect([...list]).toEqual(all);
    expect([...list]).toEqual(all);
    expect([...list.iter()]).toEqual(all);
    const awaited: unknown[] = [];
    for await (const result of list.iter()) awaited.push(result);
    expect(awaited).toEqual(all);
  });

  test('parts the Oks from the Errs', () => {
    expect(list.isOk()).toBe(false);
    expect(list.oks()).toEqual([1, undefined]);
    expect(list.errs()).toEqual(['no']);
    expect(new ResultList([ok(1), ok(2)]).isOk()).toBe(true);
    expect(new ResultList([ok([1]), ok([2])]).oks()).toEqual([[1], [2]]);
    expect(new ResultList([err(['x'])]).errs()).toEqual([['x']]);
  });

  test('combines to one Ok with every value, or to the first Err', () => {
    expect(list.combine()).toEqual(err('no'));
    expect(new ResultList([err(1), err(2)]).combine()).toEqual(err(1));
    expect(new ResultList([ok(1), ok(2)]).combine()).toEqual(ok([1, 2]));
  });

  test('belongs to no keys unless it is told some', () => {
    const plain = new ResultList([ok(1)]);
    expect(plain.keys()).toEqual([]);
    expect(plain.get('a')).toBeUndefined();
    expect(plain.delivered).toBe(1);
  });

  test('does not notice when the arrays it was made with, or gave away, change', () => {
    const results: Result<number, string>[] = [ok(1), ok(2)];
    const keys = ['a', 'b'];
    const made = new ResultList(results, keys);
    results.pop();
    keys[0] = 'z';
    made.keys().pop();
    made.oks().pop();
    expect(made.length).toBe(2);
    expect(made.keys()).toEqual(['a', 'b']);
  });

  test('says in words what it holds, but no values', () => {
    expect(String(list)).toBe('ResultList(Ok, Err, Ok)');
  });
});

/** A second copy of neverthrow, whose classes are not those of the first. */
function otherNeverthrow(): typeof import('neverthrow') {
  const require = createRequire(import.meta.url);
  const path = require.resolve('neverthrow');
  delete require.cache[path];
  return require(path);
}

describe('Results of another copy of neverthrow', () => {
  const other = otherNeverthrow();

  test('are really others', () => {
    expect(other.ok(1)).not.toBeInstanceOf(ok(1).constructor);
  });

  test.each([
    ['returned', (result: unknown) => result],
    ['resolved', async (result: unknown) => result],
  ])('count as Results when they are %s, and become Results of ours', async (_, give) => {
    const { queue, publisher } = await started([
      new Collector('good', () => give(other.ok(1))),
      new Collector('bad', () => give(other.err('no'))),
    ]);
    const results = await publisher.publish(0).wait();
    expect(results.get('good')).toEqual(ok(1));
    expect(results.get('bad')).toEqual(err('no'));
    for (const result of results) expect([ok(1).constructor, err(1).constructor]).toContain(result.constructor);
    await queue.shutDownQueue();
  });

  test('count when they come as a ResultAsync', async () => {
    const { queue, publisher } = await started([
      new Collector('good', () => other.okAsync(1)),
      new Collector('bad', () => other.errAsync('no')),
    ]);
    const results = await publisher.publish(0).wait();
    expect(results.get('good')).toEqual(ok(1));
    expect(results.get('bad')).toEqual(err('no'));
    await queue.shutDownQueue();
  });

  test('are taken by the constructor', () => {
    const list = new ResultList([other.ok(1), other.err('no')] as Result<unknown, unknown>[]);
    expect(list.oks()).toEqual([1]);
    expect(list.errs()).toEqual(['no']);
    expect(list.combine()).toEqual(err('no'));
  });
});

describe('what looks like a Result', () => {
  async function resultOf(value: unknown): Promise<Result<unknown, unknown>[]> {
    const { queue, publisher } = await started([
      new Collector('sync', () => value),
      new Collector('async', async () => value),
    ]);
    const results = await publisher.publish(0).wait();
    await queue.shutDownQueue();
    return [...results];
  }

  test('but lacks one of the methods, or both value and error, is a value', async () => {
    const likes = [
      { isOk: () => true, value: 1 },
      { isErr: () => true, error: 1 },
      { isOk: true, isErr: false, value: 1 },
      { isOk: () => true, isErr: () => false },
    ];
    for (const like of likes) {
      for (const result of await resultOf(like)) expect(result._unsafeUnwrap()).toBe(like);
    }
  });

  test.each([
    ['throws when its methods are read', throwing({ isOk: true })],
    ['throws when it is called', { isOk: () => raise(), isErr: () => false, value: 1 }],
    ['throws when its value is read', throwing({ value: true }, { isOk: () => true, isErr: () => false })],
    ['throws when its error is read', throwing({ error: true }, { isOk: () => false, isErr: () => true })],
  ])('but %s, is an Err, and harms nobody', async (_, like) => {
    for (const result of await resultOf(like)) {
      expect(result._unsafeUnwrapErr()).toBeInstanceOf(ProcessorError);
      expect((result._unsafeUnwrapErr() as Error).cause).toEqual(new Error('looked at'));
    }
  });

  test('and changes its mind each time it is asked, is asked once', async () => {
    let times = 0;
    const fickle = { isOk: () => ++times % 2 === 1, isErr: () => times % 2 === 0, value: 'v', error: 'e' };
    const results = await resultOf(fickle);
    for (const result of results) expect(result.isOk()).toBe(result.isOk());
  });

  test('is a ResultAsync that rejects against its nature, and gives an Err', async () => {
    const broken = new ResultAsync<never, never>(Promise.reject(new Error('broken')));
    const { queue, publisher } = await started([new Collector('a', () => broken)]);
    const error = (await publisher.publish(0).wait()).first()._unsafeUnwrapErr() as ProcessorError;
    expect(error).toBeInstanceOf(ProcessorError);
    expect(error.cause).toEqual(new Error('broken'));
    await queue.shutDownQueue();
  });
});

function raise(): never {
  throw new Error('looked at');
}

/** An object whose named properties throw when they are read. */
function throwing(names: Record<string, true>, rest: object = {}): object {
  const object = { ...rest };
  for (const name of Object.keys(names)) Object.defineProperty(object, name, { get: raise, enumerable: true });
  return object;
}
