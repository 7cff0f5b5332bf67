/**
 * Reads words of a command line as getopt_long(3) of glibc does: clusters of short options, attached and separate
 * arguments, abbreviated long options, operands between options. Its messages are those of glibc.
 */

export type Word =
  | { kind: 'option'; name: string; value: string }
  | { kind: 'operand'; text: string }
  /** `message` is what getopt_long() writes to stderr before it returns "?". */
  | { kind: 'fault'; message: string };

export interface Known {
  /** Letters of short options, as for getopt(3): a colon after a letter that takes an argument. */
  short: string;
  /** Long options, in the order in which glibc lists those of an ambiguous abbreviation: name to "takes an argument". */
  long: Readonly<Record<string, boolean>>;
}

/** @param program the name of the program in messages */
export function* getopt(argv: readonly string[], known: Known, program: string): Generator<Word> {
  const queue = [...argv];
  const operands: string[] = [];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const isOperand = word === '-' || !word.startsWith('-');
    if (word === '--' || (isOperand && process.env.POSIXLY_CORRECT !== undefined)) {
      if (isOperand) operands.push(word);
      operands.push(...queue.splice(0));
    } else if (isOperand) operands.push(word);
    else if (word.startsWith('--')) yield long(word.slice(2), queue, known, program);
    else yield* cluster(word.slice(1), queue, known, program);
  }
  for (const text of operands) yield { kind: 'operand', text };
}

function long(word: string, queue: string[], { long: names }: Known, program: string): Word {
  const fault = (what: string): Word => ({ kind: 'fault', message: `${program}: ${what}` });
  const equals = word.indexOf('=');
  const start = equals < 0 ? word : word.slice(0, equals);
  const fits = Object.keys(names).filter((name) => name.startsWith(start));
  const name = fits.find((each) => each === start) ?? (fits.length === 1 ? fits[0] : undefined);
  if (name === undefined && fits.length > 1) {
    return fault(`option '--${word}' is ambiguous; possibilities:${fits.map((each) => ` '--${each}'`).join('')}`);
  }
  if (name === undefined) return fault(`unrecognized option '--${word}'`);
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  if (!names[name]) {
    return attached === undefined
      ? { kind: 'option', name, value: '' }
      : fault(`option '--${name}' doesn't allow an argument`);
  }
  const value = attached ?? queue.shift();
  return value === undefined ? fault(`option '--${name}' requires an argument`) : { kind: 'option', name, value };
}

function* cluster(letters: string, queue: string[], { short }: Known, program: string): Generator<Word> {
  const all = [...letters];
  for (const [i, letter] of all.entries()) {
    const at = letter === ':' ? -1 : short.indexOf(letter);
    if (at < 0) {
      yield { kind: 'fault', message: `${program}: invalid option -- '${letter}'` };
    } else if (short[at + 1] !== ':') {
      yield { kind: 'option', name: letter, value: '' };
    } else {
      const rest = all.slice(i + 1).join('');
      const value = rest === '' ? queue.shift() : rest;
      if (value !== undefined) yield { kind: 'option', name: letter, value };
      else yield { kind: 'fault', message: `${program}: option requires an argument -- '${letter}'` };
      return;
    }
  }
}
