import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InvalidArgumentError } from 'collector-queue';
import ts from 'typescript';

const root = join(import.meta.dirname, '../..');

/** The rows of the first table of a document whose head begins with this cell: their cells. */
export function rowsUnder(document: string, head: string): string[][] {
  const table = readFileSync(join(root, document), 'utf8').split(`| ${head} |`)[1]?.split('\n\n')[0] ?? '';
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) =>
    line
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim()),
  );
}

/** The names in code spans of a cell. */
export function namesIn(cell = ''): string[] {
  return [...cell.matchAll(/`(\w+)`/g)].map((name) => name[1] as string);
}

/** What the refusal of an unknown option lists. */
export function namesKnown(call: (unknown: object) => unknown): string[] {
  try {
    call({ unheardOf: 1 });
  } catch (error) {
    return (error as InvalidArgumentError).expected.replace('made of ', '').split(', ').sort();
  }
  throw new Error('an unknown option was not refused');
}

/** What an interface says of the defaults of its members, where that is a literal or a call. */
export function defaultsOf(file: string, name: string): [member: string, value: string][] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const declaration = source.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  );
  if (declaration === undefined) throw new Error(`${file} has no interface ${name}`);
  return (declaration as ts.InterfaceDeclaration).members.flatMap((member): [string, string][] => {
    const tag = ts.getJSDocTags(member).find(({ tagName }) => tagName.text === 'default');
    const value = withoutMarks(ts.getTextOfJSDocComment(tag?.comment) ?? '');
    return /^('|\d|true|false|Infinity|\{\}|\w+\(\))/.test(value) ? [[member.name?.getText() ?? '', value]] : [];
  });
}

/** A default as it is written in code, or in a cell: `1_000`, `1,000`. */
export function withoutMarks(value: string): string {
  return value
    .replaceAll('`', '')
    .replace(/(?<=\d)[_,](?=\d)/g, '')
    .replace(/, which is .*/, '')
    .trim();
}
