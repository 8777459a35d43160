/**
 * A Snowplow collector for the benchmarks, to be forked: `answering` says `ok` to every POST at once and keeps its body;
 * `silent` takes connections and never answers. Tells its port to begin with. Asked for a tally, it gives the number of
 * requests since the last one and the ids of their events; so nothing is parsed while the time is taken.
 */
import { createServer } from 'node:http';

const [mode] = process.argv.slice(2);
let bodies = [];

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    bodies.push(chunks);
    if (mode !== 'silent') response.end('ok');
  });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));

process.on('message', () => {
  const ids = bodies.flatMap((chunks) => JSON.parse(Buffer.concat(chunks)).data.map(({ eid }) => eid));
  process.send({ requests: bodies.length, ids });
  bodies = [];
});
// The benchmark has ended, however that came.
process.on('disconnect', () => process.exit());
