/** What a daemon has done since it was started, and what it holds. */
export interface SpoolMetrics {
  /** Events that came. */
  readonly received: number;
  /** Events that were acknowledged as durable. */
  readonly acknowledged: number;
  /** Events that were refused: full, a disk that fails, a bad line counts as none. */
  readonly refused: number;
  /** Events in the spool now. */
  readonly stored: number;
  /** The bytes of their JSON. */
  readonly storedBytes: number;
  /** Milliseconds since the oldest of them came; 0 if there is none. */
  readonly oldestAge: number;
  /** Events that the endpoint took. */
  readonly sent: number;
  /** Requests that failed, and whose events are tried again, at once in halves or later. */
  readonly retried: number;
  /** Events that the endpoint refused for good, since the start. */
  readonly deadLettered: number;
  /** Dead letters that are kept now. */
  readonly deadLetters: number;
  /** Whether there was no room for more of them: then what is refused stays in the spool, and is tried again. */
  readonly deadLettersFull: boolean;
  /** Events that were thrown out because the spool was full. */
  readonly dropped: number;
  /** Records that were found damaged. */
  readonly quarantined: number;
  readonly connections: number;
  /** Milliseconds until an endpoint that failed is tried again. */
  readonly retryDelay: number;
  /** Milliseconds since the daemon was started. */
  readonly uptime: number;
}

const HELP: Readonly<Record<keyof SpoolMetrics, readonly [name: string, type: 'counter' | 'gauge', help: string]>> = {
  received: ['received_events_total', 'counter', 'Events that came'],
  acknowledged: ['acknowledged_events_total', 'counter', 'Events that were acknowledged as durable'],
  refused: ['refused_events_total', 'counter', 'Events that were not taken'],
  stored: ['stored_events', 'gauge', 'Events in the spool'],
  storedBytes: ['stored_bytes', 'gauge', 'Bytes of events in the spool'],
  oldestAge: ['oldest_event_age_seconds', 'gauge', 'Age of the oldest event in the spool'],
  sent: ['sent_events_total', 'counter', 'Events that the endpoint took'],
  retried: ['retried_requests_total', 'counter', 'Requests that failed and whose events are tried again'],
  deadLettered: ['dead_lettered_events_total', 'counter', 'Events that the endpoint refused for good'],
  deadLetters: ['dead_letters', 'gauge', 'Dead letters that are kept'],
  deadLettersFull: ['dead_letters_full', 'gauge', '1 if there is no room for more dead letters, else 0'],
  dropped: ['dropped_events_total', 'counter', 'Events that were thrown out because the spool was full'],
  quarantined: ['quarantined_records', 'gauge', 'Records that were found damaged'],
  connections: ['connections', 'gauge', 'Connections of clients'],
  retryDelay: ['retry_delay_seconds', 'gauge', 'Time until an endpoint that failed is tried again'],
  uptime: ['uptime_seconds', 'gauge', 'Time since the daemon was started'],
};

/** In the text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function prometheusText(metrics: SpoolMetrics): string {
  const lines = (Object.keys(HELP) as (keyof SpoolMetrics)[]).flatMap((field) => {
    const [name, type, help] = HELP[field];
    const full = `collector_queue_spool_${name}`;
    const figure = Number(metrics[field]);
    const value = name.endsWith('_seconds') ? figure / 1_000 : figure;
    return [`# HELP ${full} ${help}.`, `# TYPE ${full} ${type}`, `${full} ${value}`];
  });
  return `${lines.join('\n')}\n`;
}
