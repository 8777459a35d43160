import type { WriteStream } from 'node:tty';
import { bar, count } from './format.ts';
import type { Progress } from './pipeline.ts';

/** Milliseconds. A terminal gets one line that is drawn again and again, anything else a line now and then. */
const REDRAW_EVERY = 100;
const PRINT_EVERY = 500;

/** Shows where a run stands, until the returned function is called. The rate is that of the last interval. */
export function showProgress(look: () => Progress, out: WriteStream): () => void {
  let [before, beforeAt] = [0, performance.now()];
  const show = (): void => {
    const { fraction, settled, consumers, backlog } = look();
    const now = performance.now();
    const rate = ((settled - before) / Math.max(1, now - beforeAt)) * 1000;
    [before, beforeAt] = [settled, now];
    const percent = `${Math.floor(fraction * 100)}%`.padStart(4);
    const text = `${percent}  ${count(settled)} settled, ${count(rate)}/s, ${consumers} consumers, ${backlog} waiting`;
    out.write(out.isTTY ? `\r${bar([fraction], 24, ['█'], '░')}${text}\x1b[K` : `${text}\n`);
  };
  const timer = setInterval(show, out.isTTY ? REDRAW_EVERY : PRINT_EVERY);
  return () => {
    clearInterval(timer);
    show();
    if (out.isTTY) out.write('\n');
  };
}
