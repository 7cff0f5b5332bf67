import { wrapped } from '../../render/wrap.ts';
import { printable } from '../../text/printable.ts';
import { terminalColumns } from './terminal-size.ts';

/** Writes a sentence for a person on stderr. Names in it are made safe. */
export function tell(sentence: string): void {
  writeLine(`oomscope: ${printable(sentence)}`);
}

/** Writes a line on stderr; on a terminal it is broken between words. */
export function writeLine(line: string): void {
  const { stderr } = process;
  stderr.write(`${stderr.isTTY ? wrapped(line, terminalColumns(stderr)).join('\n') : line}\n`);
}
