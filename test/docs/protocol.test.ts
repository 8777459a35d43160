import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Control, SPOOL_ERRORS, SpoolDaemon } from 'collector-queue/socket';
import ts from 'typescript';
import { expect, onTestFinished, test } from 'vitest';
import { controlOf } from '../../src/socket/control.ts';
import { LineClient, type Reply } from '../socket/line-client.ts';
import { namesIn, rowsUnder } from './tables.ts';

const root = resolve(import.meta.dirname, '../..');
const PROTOCOL = 'docs/PROTOCOL.md';
const page = readFileSync(join(root, PROTOCOL), 'utf8');

test('the table of codes says what the code says, of each code', () => {
  const said = rowsUnder(PROTOCOL, 'code').map(([code, , retryable, closes]) => [
    namesIn(code)[0],
    { retryable: retryable === 'yes', closes: closes === 'closes' },
  ]);
  expect(Object.fromEntries(said)).toEqual(SPOOL_ERRORS);
  expect(said.length).toBe(Object.keys(SPOOL_ERRORS).length);
});

test('no other code is named', () => {
  const codes = [...page.matchAll(/"code":"(\w+)"/g)].map((found) => found[1]);
  expect(codes.length).toBeGreaterThan(0);
  for (const code of codes) expect(Object.keys(SPOOL_ERRORS)).toContain(code);
});

test.each([
  { head: 'frame', type: 'ClientFrame', tag: 'type', beside: ['lines', 'body'] },
  { head: 'reply', type: 'ServerFrame', tag: '$', beside: [] },
])('the table "$head" lists the frames of the type $type, with their members', ({ head, type, tag, beside }) => {
  const said = rowsUnder(PROTOCOL, head).map(([frame, members]) => [namesIn(frame)[0], namesIn(members).sort()]);
  expect(Object.fromEntries(said)).toEqual(framesOf(type, tag, beside));
});

test('the table of control frames lists the commands that there are', async () => {
  const listed = rowsUnder(PROTOCOL, 'command').flatMap(([names]) => namesIn(names));
  const control = controlOf({} as Parameters<typeof controlOf>[0]) satisfies Control;
  expect(() => control('unheard of', {})).toThrow(`one of ${listed.join(', ')}`);
});

test('the table of control frames lists the members that are looked at', () => {
  const source = readFileSync(join(root, 'src/socket/control.ts'), 'utf8');
  const checked = [...source.matchAll(/'spool (\w+): (\w+)'/g)].map(([, command, member]) => `${command}: ${member}`);
  const listed = rowsUnder(PROTOCOL, 'command').flatMap(([command, members]) =>
    namesIn(members).map((member) => `${namesIn(command)[0]}: ${member}`),
  );
  expect(listed.sort()).toEqual([...new Set(checked)].sort());
});

test('a daemon answers as the exchanges of the page say', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cq-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'daemon.sock');
  const daemon = new SpoolDaemon({
    store: join(folder, 'spool'),
    endpoint: 'http://127.0.0.1:9',
    listen: [`unix:${path}`],
  });
  await daemon.start();
  onTestFinished(async () => void (await daemon.stop({ timeout: 0 })));
  const client = await LineClient.connected({ path });
  onTestFinished(() => client.end());

  const exchanges = [...page.matchAll(/```text\n(→.*?)```/gs)].map((found) => found[1] as string);
  // What operators are answered depends on what went wrong before.
  const told = exchanges.filter((exchange) => !exchange.includes('"$":"spool"'));
  expect(told.length).toBe(3);
  for (const line of told.flatMap((exchange) => exchange.trimEnd().split('\n'))) {
    if (line.startsWith('→ ')) client.send(`${line.slice(2).replaceAll('{…}', '{"e":"pv"}')}\n`);
    else expect(await lastAnswer(client, line)).toBe(line);
  }
});

/** Frames that follow one another closely are acknowledged together or one by one; the last answer covers the others. */
async function lastAnswer(client: LineClient, line: string): Promise<string> {
  const awaited = JSON.parse(line.slice(2)) as Reply;
  for (;;) {
    const reply = await client.next();
    const isCovered = awaited.$ === 'ack' && reply?.$ === 'ack' && Number(reply.seq) < Number(awaited.seq);
    if (!isCovered) return `← ${JSON.stringify(reply)}`;
  }
}

/** The frames that a union in protocol.ts has, by the literal that tells them apart, with the names of their members. */
function framesOf(name: string, tag: string, beside: readonly string[]): Record<string, string[]> {
  const file = 'src/socket/protocol.ts';
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const frames: Record<string, string[]> = {};
  const read = (members: ts.NodeArray<ts.TypeElement>): void => {
    const properties = members.filter(ts.isPropertySignature);
    const own = properties
      .find((property) => property.name.getText() === tag)
      ?.type?.getText()
      .replaceAll("'", '');
    if (own === undefined || beside.includes(own)) return;
    const names = properties
      .map((property) => property.name.getText())
      .filter((each) => ![tag, ...beside].includes(each));
    frames[own] = [...new Set([...(frames[own] ?? []), ...names])].sort();
  };
  for (const statement of source.statements) {
    if (ts.isInterfaceDeclaration(statement) && statement.name.text === 'ErrorFrame' && tag === '$')
      read(statement.members);
    if (!ts.isTypeAliasDeclaration(statement) || statement.name.text !== name) continue;
    const { types } = statement.type as ts.UnionTypeNode;
    for (const type of types) if (ts.isTypeLiteralNode(type)) read(type.members);
  }
  return frames;
}
