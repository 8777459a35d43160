import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { QueueEventName } from 'collector-queue';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { successors } from '../core/model/policies-diagram.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/QUEUE-EVENTS.md'), 'utf8');

/** A queue event: its name, and its fields beside those that each has; `?` marks one that may be undefined. */
type Row = [name: string, fields: string[]];

/** What the code says, by way of the compiler: interfaces inherit, and so do their fields. */
function rowsOfCode(): Row[] {
  const file = join(root, 'src/queue-events/names.ts');
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([file], options);
  const source = program.getSourceFile(file) as ts.SourceFile;
  const checker = program.getTypeChecker();

  const typeNamed = (name: string): ts.Type => {
    const declaration = source.statements.find(
      (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
    );
    if (declaration === undefined) throw new Error(`names.ts has no interface ${name}`);
    return checker.getTypeAtLocation(declaration);
  };
  const common = fieldsOf(typeNamed('QueueEventBase'));
  return checker.getPropertiesOfType(typeNamed('QueueEventMap')).map((entry) => {
    const fields = fieldsOf(checker.getTypeOfSymbol(entry)).filter((field) => !common.includes(field));
    return [entry.name, fields.sort()];
  });

  function fieldsOf(type: ts.Type): string[] {
    return checker.getPropertiesOfType(type).map((property) => {
      const declared = checker.getTypeOfSymbol(property);
      const maybe = declared.isUnion() && declared.types.some(({ flags }) => flags & ts.TypeFlags.Undefined);
      return `${property.name}${maybe ? '?' : ''}`;
    });
  }
}

/** The lines of the first table under a heading, without its head. */
function tableUnder(heading: string): string[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return tablesIn(section)[0] ?? [];
}

function tablesIn(section: string): string[][] {
  const tables = section.split('\n\n').filter((block) => block.startsWith('|'));
  return tables.map((table) => table.trim().split('\n').slice(2));
}

/** What is in code spans. */
function wordsOf(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map((word) => word[1] as string);
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

const table = tableUnder('All of them').map(cellsOf);

function rowsOfPage(): Row[] {
  return table.map(([name, , fields]) => [wordsOf(name)[0] ?? '', wordsOf(fields).sort()]);
}

describe('the table of queue events', () => {
  const code = rowsOfCode();
  const names = table.map(([name]) => wordsOf(name)[0]);

  test('has every event of the code, and the code has every event of the table, each once', () => {
    expect(names.toSorted()).toEqual(Object.values(QueueEventName).toSorted());
    expect(code.map(([name]) => name).toSorted()).toEqual(names.toSorted());
  });

  test.each(rowsOfPage())('has the fields that "%s" has', (name, fields) => {
    expect(fields).toEqual(code.find(([other]) => other === name)?.[1]);
  });

  test('says of each when it happens', () => {
    for (const cells of table) {
      expect(cells).toHaveLength(3);
      expect(cells[1]).toMatch(/^[A-Z`].{15,}\.$/);
    }
  });

  test('explains each field, and no other', () => {
    const explained = (tablesIn(page.split('\n## All of them\n')[1] ?? '')[1] ?? []).flatMap((line) =>
      wordsOf(cellsOf(line)[0]),
    );
    const fields = new Set(code.flatMap(([, all]) => all.map((field) => field.replace('?', ''))));
    expect(explained.toSorted()).toEqual([...fields].sort());
  });

  test('is read by means that see what is there', () => {
    expect(code.find(([name]) => name === 'locked')?.[1]).toEqual(
      ['id', 'task', 'attempt', 'retries', 'retryDelay?', 'executeTime?', 'lock'].sort(),
    );
    expect(code.find(([name]) => name === 'paused')?.[1]).toEqual([]);
    expect(wordsOf('`id`, `task?`')).toEqual(['id', 'task?']);
  });
});

test('the table of reasons has every reason that the code knows', () => {
  const file = readFileSync(join(root, 'src/queue-events/names.ts'), 'utf8');
  const declared = /export type ParkReason =([^;]+);/.exec(file)?.[1] ?? '';
  const reasons = [...declared.matchAll(/'([a-z-]+)'/g)].map((reason) => reason[1]);
  const section = page.split('\n### Why a task is parked\n')[1]?.split('\n## ')[0] ?? '';
  expect(reasons).toContain('lock');
  expect((tablesIn(section.trim())[0] ?? []).map((line) => wordsOf(cellsOf(line)[0])[0])).toEqual(reasons);
});

describe('the order of queue events', () => {
  test('is that to which recorded sequences are held', () => {
    const rows = tableUnder('Order')
      .map(cellsOf)
      .flatMap(([after, next]) => {
        const names = wordsOf(after);
        const followers = wordsOf(next).filter((word) => word !== 'at');
        return (names.length === 0 ? ['new'] : names).map((name) => [name, followers.sort()] as const);
      });
    // The clock of these sequences is never set back.
    const parked = successors.parked?.concat(successors.parked.includes('scheduled') ? [] : ['scheduled']) ?? [];
    const held = Object.entries({ ...successors, parked }).map(([name, followers]) => [name, followers.toSorted()]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(held));
    expect(new Set(rows.map(([name]) => name)).size).toBe(rows.length);
  });
});
