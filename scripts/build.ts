/**
 * Builds `dist/` from nothing. The compiler turns `./x.ts` into `./x.js` in the code that it emits, but not in the
 * declarations; those are done here, and each import of each file has to lead to a file that exists.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
compile();
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
for (const file of files.filter((name) => name.endsWith('.d.ts'))) rewriteImports(file);
for (const file of files.filter((name) => /\.(js|d\.ts)$/.test(name))) checkImports(file);
console.log(`dist/: ${files.filter((name) => name.endsWith('.js')).length} modules`);

function compile(): void {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}

function rewriteImports(file: string): void {
  let text = readFileSync(file, 'utf8');
  // From the last to the first, so that the earlier positions still hold.
  for (const { fileName, pos } of importsOf(text).reverse()) {
    if (!fileName.startsWith('.') || !fileName.endsWith('.ts')) continue;
    // `pos` is that of the opening quote.
    const extension = pos + 1 + fileName.length - '.ts'.length;
    text = `${text.slice(0, extension)}.js${text.slice(extension + '.ts'.length)}`;
  }
  writeFileSync(file, text);
}

function checkImports(file: string): void {
  for (const { fileName } of importsOf(readFileSync(file, 'utf8'))) {
    if (!fileName.startsWith('.')) continue;
    const target = resolve(file, '..', fileName);
    const declared = !file.endsWith('.d.ts') || existsSync(target.replace(/\.js$/, '.d.ts'));
    if (existsSync(target) && fileName.endsWith('.js') && declared) continue;
    console.error(`${file} imports '${fileName}', which the build does not contain`);
    process.exitCode = 1;
  }
}

function importsOf(text: string): ts.FileReference[] {
  return ts.preProcessFile(text, true, true).importedFiles.sort((a, b) => a.pos - b.pos);
}
