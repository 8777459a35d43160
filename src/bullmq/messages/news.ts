import type { Envelope } from './seal.ts';

/*
 * What a worker tells a publisher of a job that ends: the id of the job, and on the next line the sealed result. Anybody may
 * write it, so it is believed as far as its seal is.
 */

export function writeNews(jobId: string, envelope: Envelope): string {
  return `${jobId}\n${JSON.stringify(envelope)}`;
}

/** The envelope is JSON, not verified. */
export function readNews(news: string): { readonly jobId: string; readonly envelope: string } {
  const end = news.indexOf('\n');
  return { jobId: news.slice(0, end), envelope: news.slice(end + 1) };
}
