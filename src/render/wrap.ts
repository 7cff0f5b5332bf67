import { columnsOf } from './width.ts';

/** Breaks a text between words into lines of at most this many columns. A longer word gets its own line. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ +/)) {
    if (line !== '' && columnsOf(line) + 1 + columnsOf(word) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Wraps a text that follows a label: each line except the first is indented by the width of the label. */
export function hanging(text: string, columns: number, indent: number): string {
  return wrapped(text, Math.max(1, columns - indent)).join(`\n${' '.repeat(indent)}`);
}
