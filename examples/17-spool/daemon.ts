/** The daemon, in a process of its own, that ends when it is told to: `daemon.ts <socket> <store> <endpoint>`. */
import { SpoolDaemon } from 'collector-queue/socket';

const [socket, store, endpoint] = process.argv.slice(2) as [string, string, string];
const daemon = new SpoolDaemon({ listen: [`unix:${socket}`], store, endpoint });
await daemon.start();
process.once('message', async () => {
  await daemon.stop({ timeout: 60_000 });
  process.disconnect();
});
// Whoever wanted it has ended, however that came.
process.once('disconnect', () => process.exit());
process.send?.('listening');
