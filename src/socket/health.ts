import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeThrown } from '../core/errors.ts';
import { ListenError } from './errors.ts';
import { prometheusText, type SpoolMetrics } from './metrics.ts';

/**
 * Answers `GET /health` (JSON; 200 while the daemon runs, 503 while it stops) and `GET /metrics` (Prometheus) on the
 * loopback interface.
 */
export class HealthServer {
  readonly #metrics: () => Promise<SpoolMetrics>;
  readonly #server: Server;
  #isStopping = false;

  constructor(metrics: () => Promise<SpoolMetrics>) {
    this.#metrics = metrics;
    this.#server = createServer((request, response) => {
      this.#answer(request.method ?? '', request.url ?? '').then(
        ({ status, type, body }) => {
          response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
          response.end(request.method === 'HEAD' ? undefined : body);
        },
        (error) => response.writeHead(500).end(describeThrown(error)),
      );
    });
    this.#server.keepAliveTimeout = 1_000;
  }

  /** Returns the port. @throws {@link ListenError} if it cannot listen there. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(new ListenError(`cannot listen at port ${port} for health: ${describeThrown(error)}`, { cause: error }));
      });
      this.#server.listen(port, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  /** From now on it says that the daemon stops. */
  stopping(): void {
    this.#isStopping = true;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(method: string, url: string): Promise<{ status: number; type: string; body: string }> {
    const [path] = url.split('?');
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: 'text/plain', body: 'only GET\n' };
    if (path === '/metrics') {
      return { status: 200, type: 'text/plain; version=0.0.4', body: prometheusText(await this.#metrics()) };
    }
    if (path !== '/health') return { status: 404, type: 'text/plain', body: 'there are /health and /metrics\n' };
    const metrics = await this.#metrics();
    // Blocked is no reason to be started anew: that would help nothing.
    const running = metrics.deadLettersFull ? 'blocked' : 'ok';
    const body = `${JSON.stringify({ status: this.#isStopping ? 'stopping' : running, ...metrics })}\n`;
    return { status: this.#isStopping ? 503 : 200, type: 'application/json', body };
  }
}
