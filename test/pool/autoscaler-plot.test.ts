import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { drawAutoscaler } from '../../benchmarks/autoscaler-plot.ts';

const docs = join(import.meta.dirname, '..', '..', 'docs');

test('the picture in the docs is the one that the script draws', async () => {
  expect(await drawAutoscaler()).toBe(readFileSync(join(docs, 'autoscaler.svg'), 'utf8'));
});

test('the page about it shows it, and names the command that draws it', () => {
  const page = readFileSync(join(docs, 'AUTOSCALING.md'), 'utf8');
  expect(page).toContain('](autoscaler.svg)');
  expect(page).toContain('`npx tsx benchmarks/autoscaler-plot.ts`');
});
