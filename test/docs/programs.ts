/** A fenced block of a document. */
interface Block {
  readonly language: string;
  readonly text: string;
  /** The line of the opening fence, from 1; `end` is that of the closing one. */
  readonly line: number;
  readonly end: number;
}

/** A block of TypeScript that is a whole program, with what the document says that it prints. */
export interface Program {
  readonly name: string;
  readonly document: string;
  /** The line of the opening fence, from 1. */
  readonly line: number;
  readonly code: string;
  /** Undefined if the document does not say. */
  readonly output: string | undefined;
}

/** The blocks of TypeScript of a document, programs or not. */
export function snippetsIn(markdown: string): Block[] {
  return blocksIn(markdown.split('\n')).filter(({ language }) => language === 'ts');
}

/** The programs of a document: what begins with imports, of the package among them. */
export function programsIn(document: string, markdown: string): Program[] {
  const lines = markdown.split('\n');
  const blocks = blocksIn(lines);
  return blocks.flatMap((block, at) => {
    if (block.language !== 'ts' || !isProgram(block.text)) return [];
    const output = outputUnder(lines, block, blocks[at + 1]) ?? outputWithin(block.text);
    return [{ name: `${document}:${block.line}`, document, line: block.line, code: block.text, output }];
  });
}

function blocksIn(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, fence, language = ''] = /^(```+)\s*(\w*)/.exec(lines[at] ?? '') ?? [];
    if (fence === undefined) continue;
    const line = at + 1;
    const text: string[] = [];
    for (at++; at < lines.length && lines[at]?.trimEnd() !== fence; at++) text.push(lines[at] ?? '');
    blocks.push({ language, text: text.join('\n'), line, end: at + 1 });
  }
  return blocks;
}

const COMMENTS = /^(\s|\/\/[^\n]*\n|\/\*.*?\*\/)*/s;
const IMPORTS = /^(import\s[^;]*;\s*)*?import\s[^;]*from 'collector-queue(\/[\w-]+)?';/;

function isProgram(text: string): boolean {
  return IMPORTS.test(text.replace(COMMENTS, ''));
}

/** The next block, if it is text, and nothing but a line "Output" stands between the two. */
function outputUnder(lines: readonly string[], block: Block, next: Block | undefined): string | undefined {
  if (next === undefined || !['', 'text'].includes(next.language)) return undefined;
  const between = lines.slice(block.end, next.line - 1).filter((line) => line.trim() !== '');
  return between.every((line) => /^\W*output\W*$/i.test(line)) ? next.text.trimEnd() : undefined;
}

/** The comments `// → …` of the program, one for each line that it prints. */
function outputWithin(text: string): string | undefined {
  const said = [...text.matchAll(/\/\/ → (.+)$/gm)].map((comment) => comment[1]?.trimEnd());
  return said.length === 0 ? undefined : said.join('\n');
}
