import { Collector, ok, type Payload } from 'collector-queue';
import { Archive } from './archive.ts';
import { type AuditEntry, type FinalReport, parseFlight, type Reading } from './flight.ts';
import { DelayHistogram } from './statistics.ts';
import { Timings } from './timings.ts';

type ForFlights = Payload<Reading | FinalReport>;

/** The audit trail keeps so many entries, and counts the others. */
const AUDIT_ENTRIES = 12;

/**
 * The collectors, each measured. A collector takes what its topics bring and, at the end, answers the final report with
 * its own part; what it collects is made by its lifecycle, so every run of a queue begins from nothing.
 *
 * @param out - the path of the archive
 */
export function flightCollectors(out: string) {
  const timings = new Timings();

  /** Keeps every record on disk, sound or not. Its lifecycle owns the file. */
  const archive = new Collector(
    'archive',
    timings.measure('archive', async ({ value }: ForFlights, { file }: { file: Archive }) => {
      if (value.kind === 'final-report') return ok({ lines: file.lines });
      await file.append(value.record);
      return ok(undefined);
    }),
    {
      topics: 'flights/#',
      lifecycle: async function* () {
        const file = await Archive.open(out);
        try {
          yield { file };
        } finally {
          await file.close();
        }
      },
    },
  );

  /** Counts delays by the hour. It needs every field, so it is the one that refuses bad records. */
  const statistics = new Collector(
    'statistics',
    timings.measure('statistics', ({ value }: ForFlights, { histogram }: { histogram: DelayHistogram }) => {
      if (value.kind === 'final-report') return ok(histogram.report());
      return parseFlight(value.record).map((flight) => histogram.add(flight));
    }),
    { topics: 'flights/#', lifecycle: { setup: () => ({ histogram: new DelayHistogram() }) } },
  );

  /** Counts records by topic; the topic tells all it wants to know. */
  const tally = <const K extends string>(key: K, topics: string) =>
    new Collector(
      key,
      timings.measure(key, (payload: ForFlights, { counts }: { counts: Map<string, number> }) => {
        if (payload.value.kind === 'final-report') return ok(new Map(counts));
        for (const topic of payload.topics) counts.set(topic, (counts.get(topic) ?? 0) + 1);
        return ok(undefined);
      }),
      { topics, lifecycle: { setup: () => ({ counts: new Map<string, number>() }) } },
    );

  /** Subscribes to nothing: what it is to know is sent to its key. */
  const audit = new Collector(
    'audit',
    timings.measure(
      'audit',
      ({ value }: Payload<AuditEntry | FinalReport>, trail: { entries: string[]; more: number }) => {
        if (value.kind === 'final-report') return ok({ ...trail });
        if (trail.entries.length < AUDIT_ENTRIES) trail.entries.push(value.text);
        else trail.more++;
        return ok(undefined);
      },
    ),
    { lifecycle: { setup: () => ({ entries: [], more: 0 }) } },
  );

  const collectors = [
    archive,
    statistics,
    tally('late', 'flights/late/#'),
    tally('punctual', 'flights/on-time'),
    audit,
  ];
  return { collectors, timings: timings.byCollector };
}
