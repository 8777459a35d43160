import { LATENESS, type Lateness } from './flight.ts';
import { bar, count, duration, table } from './format.ts';
import type { FlightRun } from './pipeline.ts';
import type { HourOfDelays } from './statistics.ts';

const CHART_WIDTH = 40;
const MARKS: Readonly<Record<Lateness, string>> = { moderate: '░', major: '▒', extreme: '█' };
const LATE = Object.keys(LATENESS) as Lateness[];

/** What a run came to, for people: paragraphs, of which those without content are left out. */
export function summary(run: FlightRun, out: string): string {
  const { records, flights, seconds, peakConsumers, parts } = run;
  const counts = `${count(records)} records (${count(flights)} flights, ${count(records - flights)} bad)`;
  const speed = `${seconds.toFixed(1)} s, ${count(records / seconds)} per second, at most ${peakConsumers} consumers`;
  const trail = parts.get('audit')?.unwrapOr(undefined);
  const topics = [
    ...(parts.get('punctual')?.unwrapOr(undefined) ?? []),
    ...(parts.get('late')?.unwrapOr(undefined) ?? []),
  ];
  const archive = parts.get('archive')?.unwrapOr(undefined);
  const paragraphs = [
    [`${counts} in ${speed}`],
    collectorTable(run),
    errorTable(run),
    ['Audit trail', ...(trail?.entries ?? []).map((entry) => `  ${entry}`), ...andMore(trail?.more)],
    table(topics.sort().map(([topic, records]) => [topic, count(records)])),
    chart(parts.get('statistics')?.unwrapOr(undefined) ?? []),
    [`Archive: ${count(archive?.lines ?? 0)} lines in ${out}`],
  ];
  return paragraphs.flatMap((lines) => (lines.length > 0 ? [lines.join('\n')] : [])).join('\n\n');
}

function andMore(more = 0): string[] {
  return more > 0 ? [`  and ${count(more)} more`] : [];
}

function collectorTable({ accounts, timings }: FlightRun): string[] {
  const rows = [...timings].map(([key, { wait, service }]) => {
    const { ok, errors } = accounts.byCollector.get(key) ?? { ok: 0, errors: new Map<string, number>() };
    const times = [wait, service].flatMap((times) => [times.percentile(50), times.percentile(99)]);
    return [key, count(ok), count(sum([...errors.values()])), ...times.map(duration)];
  });
  return table([['collector', 'ok', 'err', 'wait p50', 'p99', 'service p50', 'p99'], ...rows]);
}

function errorTable({ accounts }: FlightRun): string[] {
  const rows = [...accounts.byCollector].flatMap(([key, { errors }]) => {
    return [...errors].map(([kind, times]) => [kind, count(times), key]);
  });
  return rows.length === 0 ? [] : table([['errors by kind', '', 'from'], ...rows]);
}

/** One bar for each hour: its length is the share of flights that came late, relative to the hour with the most. */
function chart(histogram: readonly HourOfDelays[]): string[] {
  const shares = histogram.map(({ flights, bands }) => LATE.map((lateness) => bands[lateness] / Math.max(1, flights)));
  const most = Math.max(...shares.map(sum), Number.MIN_VALUE);
  const rows = histogram.flatMap(({ flights, minutes }, hour) => {
    if (flights === 0) return [];
    const parts = shares[hour] ?? [];
    const drawn = bar(
      parts.map((part) => part / most),
      CHART_WIDTH,
      LATE.map((lateness) => MARKS[lateness]),
    );
    const percent = `${Math.round(sum(parts) * 100)}%`;
    const mean = `${(minutes / flights).toFixed(1)} min`;
    return [[`${String(hour).padStart(2, '0')}:00`, drawn, percent, count(flights), mean]];
  });
  const legend = LATE.map((lateness) => `${MARKS[lateness]} ${LATENESS[lateness]}+`).join('  ');
  const head = ['hour', legend.padEnd(CHART_WIDTH), 'late', 'flights', 'mean delay'];
  return ['Share of late flights by hour of departure, by minutes of delay', ...table([head, ...rows])];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
