import { columnsOf } from './width.ts';

/** A text in lines of at most this many columns, broken between words. A word that is longer has a line of its own. */
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

/** The same with each line but the first indented, to stand behind a label of that width. */
export function hanging(text: string, columns: number, indent: number): string {
  return wrapped(text, Math.max(1, columns - indent)).join(`\n${' '.repeat(indent)}`);
}
