/**
 * Regular expressions that cannot run away: names and command lines are anybody's choice, and so is the pattern in a
 * configuration somebody copied. No backtracking: all alternatives are followed at once (Thompson, 1968), and what was
 * worked out is kept, so that a character costs one look-up as a rule.
 *
 * POSIX extended syntax, searched for anywhere: `. [] [^] [[:alpha:]] ^ $ | () (?:) * + ? {m,n}`, and `\d \w \s` with
 * their opposites. Back-references and look-around cannot be had without backtracking and are refused.
 */

/** A pattern that does not compile. `at` is where, counted from 0. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** States of one pattern: a repetition counts as often as it says. */
const MOST_STATES = 2000;
/** Sets of states that are kept; past that they are worked out anew. */
const MOST_KEPT = 256;

export class Pattern {
  readonly source: string;
  readonly #program: Instruction[] = [];
  readonly #entry: number;
  #kept = new Map<string, Position>();
  readonly #first: Position;

  /** @throws PatternError */
  constructor(source: string) {
    this.source = source;
    const tree = new Parser(source).parse();
    this.#entry = this.#emit(tree, this.#push({ op: 'match' }));
    this.#first = this.#position([this.#entry], true);
  }

  /** Number of compiled instructions, which memory and the time to compile are in proportion to. */
  get states(): number {
    return this.#program.length;
  }

  /** Is it anywhere in `text`? Takes a time in proportion to the length of the text, whatever both hold. */
  test(text: string): boolean {
    let position = this.#first;
    for (const character of text) {
      if (position.matched) return true;
      const code = character.codePointAt(0) ?? 0;
      let next = position.next.get(code);
      if (!next) {
        next = this.#step(position, code);
        if (position.next.size < MOST_KEPT) position.next.set(code, next);
      }
      position = next;
    }
    position.matchedAtEnd ??= this.#close(position.seeds, position.atStart, true).matched;
    return position.matched || position.matchedAtEnd;
  }

  #step({ open }: Position, code: number): Position {
    const seeds = new Set([this.#entry]);
    for (const at of open) {
      const instruction = this.#program[at];
      if (instruction?.op === 'one' && instruction.test(code)) seeds.add(instruction.next);
    }
    return this.#position(
      [...seeds].sort((a, b) => a - b),
      false,
    );
  }

  #position(seeds: number[], atStart: boolean): Position {
    const key = `${atStart}${seeds}`;
    let position = this.#kept.get(key);
    if (!position) {
      if (this.#kept.size >= MOST_KEPT) this.#kept = new Map();
      position = { seeds, atStart, ...this.#close(seeds, atStart, false), next: new Map() };
      this.#kept.set(key, position);
    }
    return position;
  }

  /** All that can be reached without a character. */
  #close(seeds: number[], atStart: boolean, atEnd: boolean): { open: number[]; matched: boolean } {
    const seen = new Set(seeds);
    const open: number[] = [];
    let matched = false;
    for (const at of seen) {
      const instruction = this.#program[at];
      if (instruction?.op === 'one') open.push(at);
      else if (instruction?.op === 'match') matched = true;
      else if (instruction?.op === 'split') seen.add(instruction.a).add(instruction.b);
      else if (instruction?.op === 'edge' && (instruction.start ? atStart : atEnd)) seen.add(instruction.next);
    }
    return { open, matched };
  }

  /** @returns where `node` begins, when `next` follows it */
  #emit(node: Node, next: number): number {
    switch (node.kind) {
      case 'one':
        return this.#push({ op: 'one', test: node.test, next });
      case 'edge':
        return this.#push({ op: 'edge', start: node.start, next });
      case 'sequence':
        return node.parts.reduceRight((after, part) => this.#emit(part, after), next);
      case 'either': {
        const [first, ...others] = node.parts.map((part) => this.#emit(part, next));
        return others.reduce((a, b) => this.#push({ op: 'split', a, b }), first ?? next);
      }
      case 'repeat': {
        let after = next;
        if (node.most === Number.POSITIVE_INFINITY) {
          const loop: Split = { op: 'split', a: 0, b: next };
          after = this.#push(loop);
          loop.a = this.#emit(node.part, after);
        } else {
          for (let i = node.least; i < node.most; i++) {
            after = this.#push({ op: 'split', a: this.#emit(node.part, after), b: next });
          }
        }
        for (let i = 0; i < node.least; i++) after = this.#emit(node.part, after);
        return after;
      }
    }
  }

  #push(instruction: Instruction): number {
    if (this.#program.length >= MOST_STATES) {
      throw new PatternError(`expected a pattern of at most ${MOST_STATES} states, this one has more`, 0);
    }
    return this.#program.push(instruction) - 1;
  }
}

type Test = (code: number) => boolean;
type Split = { op: 'split'; a: number; b: number };
type Instruction =
  | { op: 'one'; test: Test; next: number }
  | { op: 'edge'; start: boolean; next: number }
  | Split
  | { op: 'match' };

/** The text so far can have led to any of these. */
interface Position {
  seeds: number[];
  atStart: boolean;
  /** Instructions that wait for a character. */
  open: number[];
  matched: boolean;
  matchedAtEnd?: boolean;
  next: Map<number, Position>;
}

type Node =
  | { kind: 'one'; test: Test }
  | { kind: 'edge'; start: boolean }
  | { kind: 'sequence' | 'either'; parts: Node[] }
  | { kind: 'repeat'; part: Node; least: number; most: number };

const digit: Test = (c) => c >= 48 && c <= 57;
const upper: Test = (c) => c >= 65 && c <= 90;
const lower: Test = (c) => c >= 97 && c <= 122;
const alpha: Test = (c) => upper(c) || lower(c);
const space: Test = (c) => c === 32 || (c >= 9 && c <= 13);
const word: Test = (c) => alpha(c) || digit(c) || c === 95;
const not =
  (test: Test): Test =>
  (c) =>
    !test(c);
const is =
  (wanted: number): Test =>
  (c) =>
    c === wanted;

const escapes: Record<string, Test> = {
  d: digit,
  D: not(digit),
  w: word,
  W: not(word),
  s: space,
  S: not(space),
  t: is(9),
  n: is(10),
};

const classes: Record<string, Test> = {
  alpha,
  digit,
  upper,
  lower,
  space,
  alnum: (c) => alpha(c) || digit(c),
  blank: (c) => c === 32 || c === 9,
  punct: (c) => c > 32 && c < 127 && !alpha(c) && !digit(c),
  cntrl: (c) => c < 32 || c === 127,
  print: (c) => c >= 32 && c !== 127,
  graph: (c) => c > 32 && c !== 127,
  xdigit: (c) => digit(c) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102),
};

const DEEPEST = 100;

class Parser {
  readonly #characters: string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#characters = [...source];
  }

  parse(): Node {
    const tree = this.#either();
    if (this.#at < this.#characters.length) throw this.#error('expected "(" before this ")"');
    return tree;
  }

  #either(): Node {
    if (++this.#depth > DEEPEST) throw this.#error(`expected groups at most ${DEEPEST} deep`);
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    this.#depth--;
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'either', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated());
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): Node {
    let part = this.#single();
    for (;;) {
      const counts = this.#quantifier();
      if (!counts) return part;
      part = { kind: 'repeat', part, ...counts };
    }
  }

  #quantifier(): { least: number; most: number } | undefined {
    if (this.#take('*')) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#take('+')) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#take('?')) return { least: 0, most: 1 };
    const counted = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''));
    if (!counted) return undefined;
    const [all, least = '', comma, most = ''] = counted;
    const counts = {
      least: Number(least),
      most: comma === '' ? Number(least) : most === '' ? Number.POSITIVE_INFINITY : Number(most),
    };
    if (counts.least > counts.most) throw this.#error(`expected {LEAST,MOST}, got ${all}`);
    this.#at += all.length;
    return counts;
  }

  #single(): Node {
    const character = this.#characters[this.#at++] as string;
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'one', test: this.#bracket() };
      case '^':
      case '$':
        return { kind: 'edge', start: character === '^' };
      case '.':
        return { kind: 'one', test: () => true };
      case '\\':
        return { kind: 'one', test: this.#escape() };
      case '*':
      case '+':
      case '?':
        this.#at--;
        throw this.#error(`expected something before "${character}" that it repeats`);
      default:
        return { kind: 'one', test: is(character.codePointAt(0) ?? 0) };
    }
  }

  #group(): Node {
    if (this.#take('?') && !this.#take(':')) {
      throw this.#error('look-around and flags, "(?…", are not to be had; "(?:" is');
    }
    const tree = this.#either();
    if (!this.#take(')')) throw this.#error('expected ")"');
    return tree;
  }

  #escape(): Test {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw this.#error('expected a character after the last "\\"');
    const known = escapes[character];
    if (known) return known;
    if (digit(character.codePointAt(0) ?? 0)) throw this.#error('back-references are not to be had');
    if (alpha(character.codePointAt(0) ?? 0)) throw this.#error(`"\\${character}" has no meaning here`);
    return is(character.codePointAt(0) ?? 0);
  }

  #bracket(): Test {
    const negated = this.#take('^');
    const tests: Test[] = [];
    for (let first = true; ; first = false) {
      const character = this.#characters[this.#at++];
      if (character === undefined) throw this.#error('expected "]"');
      if (character === ']' && !first) break;
      if (character === '[' && this.#peek() === ':') {
        tests.push(this.#namedClass());
      } else if (character === '\\') {
        tests.push(this.#escape());
      } else {
        tests.push(this.#range(character));
      }
    }
    const any: Test = (code) => tests.some((test) => test(code));
    return negated ? not(any) : any;
  }

  #range(character: string): Test {
    const low = character.codePointAt(0) ?? 0;
    const end = this.#characters[this.#at + 1];
    if (this.#peek() !== '-' || end === undefined || end === ']') return is(low);
    this.#at += 2;
    const high = end.codePointAt(0) ?? 0;
    if (high < low) throw this.#error(`expected a range that goes up, got "${character}-${end}"`);
    return (code) => code >= low && code <= high;
  }

  #namedClass(): Test {
    const rest = this.#characters.slice(this.#at, this.#at + 12).join('');
    const name = /^:([a-z]+):\]/.exec(rest)?.[1];
    const test = name === undefined || !Object.hasOwn(classes, name) ? undefined : classes[name];
    if (!test || name === undefined) throw this.#error(`expected one of ${Object.keys(classes).join(', ')} in "[:…:]"`);
    this.#at += name.length + 3;
    return test;
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #error(message: string): PatternError {
    return new PatternError(message, this.#at);
  }
}
