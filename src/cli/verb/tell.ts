import { wrapped } from '../../render/wrap.ts';
import { printable } from '../../text/printable.ts';
import { terminalColumns } from './terminal-size.ts';

/** Writes a sentence for a person to stderr. Control characters in it are escaped. */
export function tell(sentence: string): void {
  writeLine(`oomscope: ${printable(sentence)}`);
}

/** Writes a line to stderr. On a terminal the line is wrapped between words. */
export function writeLine(line: string): void {
  const { stderr } = process;
  stderr.write(`${stderr.isTTY ? wrapped(line, terminalColumns(stderr)).join('\n') : line}\n`);
}
