/** Formats rows for a terminal: a label, and wrapped text beside it. */
import type { Paint } from '../../render/paint.ts';

/** Width of the label column, including at least one blank after the label. */
export const LABEL = 11;

/** Formats rows. When rows share a label, only the first of them shows it. */
export function labelled(rows: readonly (readonly [string, string])[], paint: Paint, width: number): string[] {
  const shown = new Set<string>();
  return rows.map(([label, text]) => {
    const lead = shown.has(label) ? '' : label;
    shown.add(label);
    return row(lead, text, paint, width);
  });
}

/** Formats a label, indented and padded to the width of the column. */
export const lead = (label: string, paint: Paint) => `  ${paint('dim', `${label} `.padEnd(LABEL))}`;

/** Formats a label and a text, which is wrapped at blanks. */
function row(label: string, text: string, paint: Paint, width: number): string {
  const room = Math.max(40, width - LABEL - 2);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && visible(line) + 1 + visible(word) > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return `${lead(label, paint)}${lines.join(`\n${' '.repeat(LABEL + 2)}`)}`;
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
const visible = (text: string) => text.replaceAll(ESCAPES, '').length;
