/** Draws line panels under one another on a shared time axis, as SVG text. Knows nothing of what they show. */

export interface Point {
  /** Seconds. */
  readonly time: number;
  readonly value: number;
}

export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly look: 'line' | 'area' | 'dashed';
  readonly points: readonly Point[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  /** The top of the scale. */
  readonly most: number;
  /** Where the scale is labelled. */
  readonly ticks: readonly number[];
  /** Later lines are drawn above earlier ones. */
  readonly lines: readonly Line[];
}

/** A stretch of time with a name, set apart by its background. */
export interface Phase {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface Figure {
  readonly title: string;
  /** What somebody is told who cannot see it. */
  readonly description: string;
  readonly seconds: number;
  readonly secondsPerTick: number;
  readonly phases: readonly Phase[];
  readonly panels: readonly Panel[];
}

const WIDTH = 880;
const LEFT = 58;
const RIGHT = 16;
const PHASES = 26;
const HEAD = 34;
const PANEL = 118;
const FOOT = 44;

/** Dark enough for a white page, light enough for a dark one. */
const INK = '#768390';

const STYLE = `
  text { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: ${INK}; }
  .title { font-weight: 600; font-size: 13px; }
  .number { font-size: 11px; font-variant-numeric: tabular-nums; }
  .grid { stroke: ${INK}; stroke-opacity: 0.25; }
  .axis { stroke: ${INK}; stroke-opacity: 0.7; }
  .shade { fill: ${INK}; fill-opacity: 0.08; }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .dashed { fill: none; stroke-width: 1.5; stroke-dasharray: 5 3; }
  .area { fill-opacity: 0.35; stroke: none; }
`;

export function draw(figure: Figure): string {
  const height = PHASES + figure.panels.length * (HEAD + PANEL) + FOOT;
  const x = (time: number): number => round(LEFT + (time / figure.seconds) * (WIDTH - LEFT - RIGHT));
  const bottom = height - FOOT;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(figure.title)}</title>`,
    `<desc id="description">${escaped(figure.description)}</desc>`,
    `<style>${STYLE}</style>`,
    ...figure.phases.flatMap((phase, i) => drawPhase(phase, i, x, bottom)),
    ...figure.panels.flatMap((panel, i) => drawPanel(panel, PHASES + i * (HEAD + PANEL) + HEAD, x, figure)),
    ...drawTimes(figure, x, bottom),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

function drawPhase({ name, from, to }: Phase, index: number, x: (time: number) => number, bottom: number): string[] {
  const label = text(round((x(from) + x(to)) / 2), 17, name, 'text-anchor="middle"');
  if (index % 2 === 0) return [label];
  return [`<rect class="shade" x="${x(from)}" y="0" width="${round(x(to) - x(from))}" height="${bottom}"/>`, label];
}

function drawPanel(panel: Panel, top: number, x: (time: number) => number, figure: Figure): string[] {
  const y = (value: number): number => round(top + PANEL - (value / panel.most) * PANEL);
  const end = x(figure.seconds);
  const scale = panel.ticks.flatMap((value) => [
    `<line class="${value === 0 ? 'axis' : 'grid'}" x1="${LEFT}" x2="${end}" y1="${y(value)}" y2="${y(value)}"/>`,
    text(LEFT - 8, y(value) + 4, value.toLocaleString('en-US'), 'class="number" text-anchor="end"'),
  ]);
  const title =
    `<text x="${LEFT}" y="${top - 11}"><tspan class="title">${escaped(panel.title)}</tspan>` +
    `<tspan dx="6">${escaped(panel.unit)}</tspan></text>`;
  const legend = panel.lines.length > 1 ? drawLegend(panel.lines, end, top - 11) : [];
  return [title, ...legend, ...scale, ...panel.lines.map((line) => drawLine(line, x, y))];
}

/** From the right, in the order of the lines. Widths are estimates: the font is the reader's. */
function drawLegend(lines: readonly Line[], end: number, baseline: number): string[] {
  let left = end;
  return [...lines].reverse().flatMap((line) => {
    left -= line.name.length * 6.2 + 44;
    const [at, middle] = [round(left), baseline - 4];
    const key =
      line.look === 'area'
        ? `<rect class="area" fill="${line.colour}" x="${at}" y="${middle - 5}" width="20" height="10"/>`
        : `<path class="${line.look}" stroke="${line.colour}" d="M${at} ${middle}h20"/>`;
    return [key, text(at + 26, baseline, line.name)];
  });
}

/** Each value lasts until the next one. */
function drawLine(line: Line, x: (time: number) => number, y: (value: number) => number): string {
  const [first] = line.points;
  const last = line.points.at(-1);
  if (first === undefined || last === undefined) return '';
  let path = `M${x(first.time)} ${y(first.value)}`;
  let height = y(first.value);
  for (const { time, value } of line.points) {
    if (y(value) === height) continue;
    height = y(value);
    path += `H${x(time)}V${height}`;
  }
  path += `H${x(last.time)}`;
  if (line.look !== 'area') return `<path class="${line.look}" stroke="${line.colour}" d="${path}"/>`;
  return `<path class="area" fill="${line.colour}" d="${path}V${y(0)}H${x(first.time)}Z"/>`;
}

function drawTimes(figure: Figure, x: (time: number) => number, bottom: number): string[] {
  const times = Array.from({ length: figure.seconds / figure.secondsPerTick + 1 }, (_, i) => i * figure.secondsPerTick);
  return [
    ...times.flatMap((time) => [
      `<line class="axis" x1="${x(time)}" x2="${x(time)}" y1="${bottom}" y2="${bottom + 4}"/>`,
      text(x(time), bottom + 17, `${time}`, 'class="number" text-anchor="middle"'),
    ]),
    text(round((LEFT + WIDTH - RIGHT) / 2), bottom + 36, 'simulated time in seconds', 'text-anchor="middle"'),
  ];
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}"${attributes === '' ? '' : ` ${attributes}`}>${escaped(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
