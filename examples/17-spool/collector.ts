import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** What stands at the end of the way. */
export interface Collector {
  readonly url: string;
  /** How often each event came, by its id. */
  readonly times: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** A collector that remembers who came. Now and then it is out of order. */
export async function startCollector(): Promise<Collector> {
  const times = new Map<string, number>();
  let requests = 0;
  const server = createServer(async (request, response) => {
    const { data } = (await json(request)) as { data: { eid: string }[] };
    const isBroken = ++requests % 50 === 0;
    if (!isBroken) for (const { eid } of data) times.set(eid, (times.get(eid) ?? 0) + 1);
    response.writeHead(isBroken ? 503 : 200).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    times,
    async stop() {
      const closed = once(server.close(), 'close');
      server.closeAllConnections();
      await closed;
    },
  };
}
