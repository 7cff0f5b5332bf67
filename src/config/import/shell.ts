/** Reads files of shell assignments, such as /etc/default/earlyoom, without any expansion. */

/** A line of a file, from 1, and its text. */
export interface Line {
  line: number;
  text: string;
}

export interface Assignment {
  line: number;
  name: string;
  value: string;
}

/** The text without a byte order mark, and with the line breaks of Unix. */
export const unixText = (text: string): string => text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n');

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_]\w*)=/;

/**
 * Reads assignments with or without `export`, quoted as in sh(1) and in systemd's EnvironmentFile=. A value may go on
 * over line breaks inside quotes or behind a backslash.
 */
export function shellAssignments(text: string): { assignments: Assignment[]; others: Line[] } {
  const source = unixText(text);
  const assignments: Assignment[] = [];
  const others: Line[] = [];
  let line = 1;
  for (let at = 0; at < source.length; ) {
    const end = endOfLine(source, at);
    const shown = source.slice(at, end);
    const [head, name] = ASSIGNMENT.exec(shown) ?? [];
    let next = end + 1;
    if (head !== undefined && name !== undefined) {
      const found = valueAt(source, at + head.length);
      assignments.push({ line, name, value: found.value });
      next = found.next;
    } else if (!/^\s*(?:[#;]|$)/.test(shown)) others.push({ line, text: shown.trim() });
    line += source.slice(at, next).split('\n').length - 1;
    at = next;
  }
  return { assignments, others };
}

/** Double quotes, single quotes, a backslash with what follows it, blanks, or anything else. */
const piece = /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)|([ \t]+)|([^\s"'\\]+)/sy;

/** @returns the value that begins at `from`, and where the line after it begins */
function valueAt(source: string, from: number): { value: string; next: number } {
  let value = '';
  let blanks = '';
  let at = from;
  for (;;) {
    piece.lastIndex = at;
    const match = piece.exec(source);
    const [, double, single, escaped, blank, plain] = match ?? [];
    if (!match || (plain?.startsWith('#') && blanks !== '')) break; // the line ends, or a comment begins
    at = piece.lastIndex;
    if (blank !== undefined) blanks += blank;
    else {
      // systemd keeps blanks between the parts of a value, and drops those at its end.
      value +=
        blanks + (double === undefined ? (single ?? plain ?? (escaped === '\n' ? '' : escaped)) : undoubled(double));
      blanks = '';
    }
  }
  return { value, next: endOfLine(source, at) + 1 };
}

/** Splits a text into words by the quotes and backslashes of a shell. */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [, double, single, escaped, blank, plain] of text
    .replaceAll('\n', ' ')
    .matchAll(new RegExp(piece, 'gs'))) {
    if (blank === undefined)
      word = (word ?? '') + (double === undefined ? (single ?? plain ?? escaped) : undoubled(double));
    else if (word !== undefined) words.push(word);
    if (blank !== undefined) word = undefined;
  }
  return word === undefined ? words : [...words, word];
}

/** Inside double quotes, a backslash has a meaning only before these characters. */
const undoubled = (text: string) =>
  text.replace(/\\(["\\$`\n])/g, (_, character) => (character === '\n' ? '' : character));

function endOfLine(source: string, at: number): number {
  const end = source.indexOf('\n', at);
  return end < 0 ? source.length : end;
}
