import { printable } from '../../text/printable.ts';

/** A sentence for a person, on stderr. Names in it are made safe. */
export function tell(sentence: string): void {
  process.stderr.write(`oomscope: ${printable(sentence)}\n`);
}
