/**
 * A Snowplow collector for the benchmarks, to be forked: `answering` says `ok` to every POST at once and keeps its body;
 * `silent` takes connections and never answers; `counting <total>` answers and only counts, because they are too many to keep.
 * Tells its port to begin with. Asked for a tally, it gives the number of requests since the last one and the ids of their
 * events; so nothing is parsed while the time is taken. The one that counts says by itself when it has the total, and at what
 * times it had the first, a tenth, nine tenths and all.
 */
import { createServer } from 'node:http';

const [mode, total] = process.argv.slice(2);
let bodies = [];

/** What stands once in each event. */
const MARK = Buffer.from('"eid":');
const steps = [1, 0.1 * total, 0.9 * total, Number(total)];
const times = [];
let counted = 0;

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    if (mode === 'counting') countEvents(Buffer.concat(chunks));
    else bodies.push(chunks);
    if (mode !== 'silent') response.end('ok');
  });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));

function countEvents(body) {
  for (let at = body.indexOf(MARK); at !== -1; at = body.indexOf(MARK, at + MARK.length)) counted++;
  while (times.length < steps.length && counted >= steps[times.length]) {
    times.push(Date.now());
    if (times.length === steps.length) process.send({ times });
  }
}

process.on('message', () => {
  if (mode === 'counting') {
    process.send({ counted });
    return;
  }
  const ids = bodies.flatMap((chunks) => JSON.parse(Buffer.concat(chunks)).data.map(({ eid }) => eid));
  process.send({ requests: bodies.length, ids });
  bodies = [];
});
// The benchmark has ended, however that came.
process.on('disconnect', () => process.exit());
