/**
 * Converts the screen of a terminal, as `tmux capture-pane -e -p` prints it, to an SVG image whose text stays text.
 *
 *   node scripts/docs/terminal-svg.ts 'TITLE' < SCREEN > FILE.svg
 */
import { text } from 'node:stream/consumers';

const CHARACTER = 7.8; // the width of a character at a font size of 13 pixels
const LINE = 18;
const MARGIN = 16;
/** Foregrounds 30 to 37, readable on the dark ground. */
const COLOURS = ['#6e7681', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#76e3ea', '#e6edf3'];

interface Style {
  bold: boolean;
  dim: boolean;
  colour: number | undefined;
}

interface Run {
  text: string;
  style: Style;
}

/** @param screen lines with ANSI escapes for colour, bold and dim; every other escape is left out */
export function terminalSvg(screen: string, title: string): string {
  const lines = screen
    .replace(/\s+$/, '')
    .split('\n')
    .map((line) => runsOf(line));
  const columns = Math.max(...lines.map((runs) => runs.reduce((sum, run) => sum + [...run.text].length, 0)));
  const width = Math.ceil(columns * CHARACTER + 2 * MARGIN);
  const height = lines.length * LINE + 2 * MARGIN;
  const rows = lines.flatMap((runs, i) => {
    const y = MARGIN + LINE * (i + 1) - 5;
    return runs.length > 0 ? [`<text x="${MARGIN}" y="${y}">${runs.map(spanOf).join('')}</text>`] : [];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>
text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }
.b { font-weight: bold } .d { fill: #8b949e }
${COLOURS.map((colour, i) => `.c${i} { fill: ${colour} }`).join(' ')}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join('\n')}
</svg>
`;
}

function runsOf(line: string): Run[] {
  const runs: Run[] = [];
  let style: Style = { bold: false, dim: false, colour: undefined };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is parsed
  for (const part of line.split(/(\x1b\[[\d;?]*[A-Za-z])/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is parsed
    const [, codes, final] = /^\x1b\[([\d;?]*)([A-Za-z])$/.exec(part) ?? [];
    if (final === 'm') style = (codes || '0').split(';').map(Number).reduce(styled, style);
    else if (final === undefined && part !== '') runs.push({ text: part, style });
  }
  return runs;
}

function styled(style: Style, code: number): Style {
  if (code === 0) return { bold: false, dim: false, colour: undefined };
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 39) return { ...style, colour: undefined };
  if (code >= 30 && code <= 37) return { ...style, colour: code - 30 };
  if (code >= 90 && code <= 97) return { ...style, colour: code - 90 };
  return style;
}

function spanOf({ text: shown, style }: Run): string {
  const classes = [style.bold && 'b', style.colour !== undefined ? `c${style.colour}` : style.dim && 'd'].filter(
    Boolean,
  );
  return classes.length > 0 ? `<tspan class="${classes.join(' ')}">${escaped(shown)}</tspan>` : escaped(shown);
}

const escaped = (shown: string) => shown.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

if (import.meta.main) process.stdout.write(terminalSvg(await text(process.stdin), process.argv[2] ?? ''));
