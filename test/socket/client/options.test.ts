import { describe, expect, test } from 'vitest';
import { InvalidArgumentError } from '../../../src/core/errors.ts';
import { SocketEmitter, type SocketEmitterOptions } from '../../../src/socket/client/index.ts';

const path = '/tmp/none.sock';

describe('the options', () => {
  test.each<[string, unknown, string]>([
    ['no options', undefined, 'SocketEmitter: options must be an object'],
    ['neither a path nor a host', {}, 'SocketEmitter: path must be given, or host and port'],
    ['an empty path', { path: '' }, 'SocketEmitter: path'],
    ['a path that is too long', { path: `/${'x'.repeat(107)}` }, 'SocketEmitter: path'],
    ['a path and a host', { path, host: 'a' }, 'SocketEmitter: host must be left out'],
    ['a path and a port', { path, port: 1 }, 'SocketEmitter: port must be left out'],
    ['a host without a port', { host: 'a' }, 'SocketEmitter: port must be a whole number'],
    ['a port without a host', { port: 1 }, 'SocketEmitter: host must be a non-empty string'],
    ['port 0', { host: 'a', port: 0 }, 'SocketEmitter: port'],
    ['port 65536', { host: 'a', port: 65_536 }, 'SocketEmitter: port'],
    ['TLS that is no object', { host: 'a', port: 1, tls: 'yes' }, 'SocketEmitter: tls must be a boolean'],
    ['TLS over a Unix socket', { path, tls: true }, 'SocketEmitter: tls must be left out'],
    ['an empty token', { path, token: '' }, 'SocketEmitter: token'],
    ['a token that is no string', { path, token: 1 }, 'SocketEmitter: token'],
    ['an empty client', { path, client: '' }, 'SocketEmitter: client'],
    ['a client that is too long', { path, client: 'x'.repeat(151) }, 'SocketEmitter: client must be at most 150'],
    ['bufferCapacity 0', { path, bufferCapacity: 0 }, 'SocketEmitter: bufferCapacity'],
    ['bufferCapacity 1.5', { path, bufferCapacity: 1.5 }, 'SocketEmitter: bufferCapacity'],
    ['an unknown overflow', { path, overflow: 'drop' }, "SocketEmitter: overflow must be one of 'dropNewest'"],
    ['batchSize 0', { path, batchSize: 0 }, 'SocketEmitter: batchSize'],
    ['windowBytes 0', { path, windowBytes: 0 }, 'SocketEmitter: windowBytes'],
    ['storeTimeout 0', { path, storeTimeout: 0 }, 'SocketEmitter: storeTimeout'],
    ['storeTimeout Infinity', { path, storeTimeout: Number.POSITIVE_INFINITY }, 'SocketEmitter: storeTimeout'],
    ['connectTimeout 0', { path, connectTimeout: 0 }, 'SocketEmitter: connectTimeout'],
    ['maxRetryDelay -1', { path, maxRetryDelay: -1 }, 'SocketEmitter: maxRetryDelay'],
    ['a spill that is none', { path, spill: {} }, 'SocketEmitter: spill must be an object with the methods'],
    ['a dead letter that is none', { path, deadLetter: {} }, 'SocketEmitter: deadLetter must be an object'],
    ['a logger that is none', { path, logger: {} }, 'SocketEmitter: logger must be an object'],
    ['a clock that is none', { path, clock: {} }, 'SocketEmitter: clock must be an object'],
    ['an unknown name', { path, batchsize: 1 }, "did you mean 'batchSize'?"],
  ])('refuse %s', (_what, options, message) => {
    const make = (): SocketEmitter => new SocketEmitter(options as SocketEmitterOptions);
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });

  test('may be undefined, as if they were left out', () => {
    const names =
      'host,port,tls,token,client,bufferCapacity,overflow,batchSize,windowBytes,storeTimeout,connectTimeout';
    const rest = 'maxRetryDelay,spill,deadLetter,logger,clock';
    const options = Object.fromEntries(`${names},${rest}`.split(',').map((name) => [name, undefined]));
    expect(() => new SocketEmitter({ ...options, path })).not.toThrow();
  });
});

describe('the options of the methods', () => {
  const emitter = new SocketEmitter({ path });

  test.each<[string, () => unknown, string]>([
    ['an unknown name', () => emitter.close({ timeOut: 1 } as never), "did you mean 'timeout'?"],
    ['a timeout of close that is none', () => emitter.close({ timeout: -1 }), 'SocketEmitter.close: timeout'],
  ])('refuse %s', (_what, call, message) => {
    expect(call).toThrow(message);
  });

  test.each<[string, object, string]>([
    ['an unknown name', { waits: true }, "did you mean 'wait'?"],
    ['a timeout of flush that is none', { timeout: '1' }, 'SocketEmitter.flush: timeout'],
    ['a wait that is none', { wait: 1 }, 'SocketEmitter.flush: wait'],
  ])('of flush refuse %s', async (_what, options, message) => {
    await expect(emitter.flush(options)).rejects.toThrow(message);
  });
});
