/** Rows of a label and wrapped text, for a terminal. */
import type { Paint } from '../../render/paint.ts';

/** Columns for the label, and at least one blank after it. */
export const LABEL = 11;

/** Each label is printed once, on its first row. */
export function labelled(rows: readonly (readonly [string, string])[], paint: Paint, width: number): string[] {
  const shown = new Set<string>();
  return rows.map(([label, text]) => {
    const lead = shown.has(label) ? '' : label;
    shown.add(label);
    return row(lead, text, paint, width);
  });
}

/** The label, indented and in its column. */
export const lead = (label: string, paint: Paint) => `  ${paint('dim', `${label} `.padEnd(LABEL))}`;

/** A label, and text that is wrapped at blanks. */
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
