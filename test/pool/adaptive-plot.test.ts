import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drawAdaptive } from '../../benchmarks/adaptive-plot.ts';

const docs = join(import.meta.dirname, '..', '..', 'docs');

test('the picture of adaptive scaling in the docs is the one that the script draws', async () => {
  expect(await drawAdaptive()).toBe(readFileSync(join(docs, 'adaptive.svg'), 'utf8'));
});

test('the page about it shows it, and names the commands that reproduce its figures', () => {
  const page = readFileSync(join(docs, 'AUTOSCALING.md'), 'utf8');
  expect(page).toContain('](adaptive.svg)');
  expect(page).toContain('`npx tsx benchmarks/adaptive-plot.ts`');
  expect(page).toContain('`npm run bench -- --only adaptive`');
});
