/** How figures are written. */

/** Stands where nothing was measured. */
export const notMeasured = '–';

/** A number with separators and about three significant digits. */
export function figure(value, unit = '') {
  if (!Number.isFinite(value)) return notMeasured;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const text = value.toLocaleString('en-US', { maximumFractionDigits: digits });
  return unit === '' ? text : unit === '×' || unit === '%' ? `${text}${unit}` : `${text} ${unit}`;
}

/** A count as one says it: 1,000,000. */
export const count = (value) => value.toLocaleString('en-US');
