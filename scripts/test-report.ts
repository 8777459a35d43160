/**
 * Reads the report of `npm run test:all` and prints the count. A test that was skipped counts as failed, and so does a
 * file that did not load or was not run. The argument, if any, names a step that failed: if no test tells of it, it is
 * counted as well, so that the last line never reads well when something went wrong.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

const root = resolve(import.meta.dirname, '..');
const reportFile = join(root, 'reports', 'tests.json');
const [failedStep] = process.argv.slice(2);
const problems: string[] = [];
let passed = 0;
let failed = 0;

if (existsSync(reportFile)) {
  count(JSON.parse(readFileSync(reportFile, 'utf8')) as Report);
} else {
  problems.push('no test was run: reports/tests.json is missing');
}
if (failedStep !== undefined && failed + problems.length === 0) problems.push(`${failedStep}: failed`);
for (const problem of problems) console.error(problem);
failed += problems.length;
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

function count({ success, testResults }: Report): void {
  for (const { name, status, assertionResults } of testResults) {
    const passedHere = assertionResults.filter((test) => test.status === 'passed').length;
    const failedHere = assertionResults.filter((test) => test.status === 'failed').length;
    const skippedHere = assertionResults.length - passedHere - failedHere;
    passed += passedHere;
    failed += failedHere;
    if (skippedHere > 0) problems.push(`${name}: ${skippedHere} skipped`);
    else if (status !== 'passed' && failedHere === 0) problems.push(`${name}: did not load`);
    else if (assertionResults.length === 0) problems.push(`${name}: holds no test`);
  }
  if (!success && failed + problems.length === 0) problems.push('the test run as a whole did not succeed');
  const reported = new Set(testResults.map(({ name }) => resolve(root, name)));
  const missing = testFiles().filter((file) => !reported.has(file));
  for (const file of missing) problems.push(`${file}: not run`);
}

function testFiles(): readonly string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.test(-d)?\.ts$/.test(name))
    .map((name) => join(root, 'test', name));
}
