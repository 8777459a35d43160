import type { Screen } from './bottom-line.ts';

/** The terminal as it is, whatever becomes of the stream's own `write`. */
export function screenOf(stream: NodeJS.WriteStream): Screen {
  const write = stream.write.bind(stream) as Screen['write'];
  return {
    write,
    get columns() {
      return stream.columns;
    },
  };
}

/**
 * Whole lines that collectors write themselves, with `console.log` for example, go above the line at the bottom of the
 * terminal.
 */
export function writeAbove(stream: NodeJS.WriteStream, above: (text: string) => void): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = ((chunk: unknown, ...rest: unknown[]): boolean => {
    if (typeof chunk !== 'string' || !chunk.endsWith('\n')) return write(chunk, ...rest);
    above(chunk);
    const written = rest.at(-1);
    if (typeof written === 'function') process.nextTick(written as () => void);
    return true;
  }) as typeof stream.write;
}
