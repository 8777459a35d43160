const wholeNumbers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 12,345. */
export function count(value: number): string {
  return wholeNumbers.format(value);
}

/** Nanoseconds in the unit that fits: 0.9 µs, 12 µs, 3.4 ms. */
export function duration(nanoseconds: number): string {
  const [value, unit] = nanoseconds < 1e6 ? [nanoseconds / 1e3, 'µs'] : [nanoseconds / 1e6, 'ms'];
  return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

/** Parts of a whole as one bar, each with its mark. Rounded where a part ends, so that the parts together fit. */
export function bar(parts: readonly number[], width: number, marks: readonly string[], rest = ' '): string {
  let [drawn, end] = ['', 0];
  for (const [at, part] of parts.entries()) {
    end += part;
    drawn = drawn.padEnd(Math.round(end * width), marks[at]);
  }
  return drawn.padEnd(width, rest);
}

/** Rows as columns, indented: the first to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => {
    const cells = widths.map((width, at) => (at === 0 ? row[at]?.padEnd(width) : row[at]?.padStart(width)));
    return `  ${cells.join('  ')}`.trimEnd();
  });
}
