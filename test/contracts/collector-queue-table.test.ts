import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { rendered, rowsOfCode, rowsOfPage } from './collector-queue-table.ts';

const page = (): string => readFileSync(new URL('../../docs/DISTRIBUTED.md', import.meta.url), 'utf8');

describe('the table of promises', () => {
  test('has every promise of the code, in its words, and no other', () => {
    expect(rowsOfPage(page())).toEqual(rowsOfCode());
  });

  test('says each promise once, and of each implementation how it stands to it', () => {
    const rows = rowsOfCode();
    expect(new Set(rows.map(([says]) => says)).size).toBe(rows.length);
    for (const row of rows) {
      for (const cell of row) expect(cell).not.toMatch(/[|\n]|^\s|\s$|\.$/);
      for (const cell of row.slice(1)) expect(cell).toMatch(/^kept$|^(differently|no): .{10,}/);
    }
  });

  test('is read by means that see what is there', () => {
    expect(rowsOfPage(`# A page\n\n${rendered()}\n\nAnd on.\n`)).toEqual(rowsOfCode());
    expect(rowsOfPage(`${rendered()}\n| one | too | many |\n`)).not.toEqual(rowsOfCode());
    expect(rowsOfPage('# A page without a table\n')).not.toEqual(rowsOfCode());
  });
});
