/** Parses a pattern into a tree. pattern.ts describes the syntax. */
import { alpha, type CharacterTest, classes, digit, escapes, is, not } from './character-test.ts';

/** A pattern that does not compile. `at` is the position of the error, counted from 0. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

/** A node of a pattern's tree. */
export type PatternNode =
  | { kind: 'one'; test: CharacterTest }
  | { kind: 'edge'; start: boolean }
  | { kind: 'sequence' | 'either'; parts: PatternNode[] }
  | { kind: 'repeat'; part: PatternNode; least: number; most: number };

const MOST_DEPTH = 100;

export class PatternParser {
  readonly #characters: string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#characters = [...source];
  }

  parse(): PatternNode {
    const tree = this.#either();
    if (this.#at < this.#characters.length) throw this.#error('expected "(" before this ")"');
    return tree;
  }

  #either(): PatternNode {
    if (++this.#depth > MOST_DEPTH) throw this.#error(`expected groups at most ${MOST_DEPTH} deep`);
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    this.#depth--;
    return parts.length === 1 ? (parts[0] as PatternNode) : { kind: 'either', parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      parts.push(this.#repeated());
    }
    return { kind: 'sequence', parts };
  }

  #repeated(): PatternNode {
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

  #single(): PatternNode {
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
        throw this.#error(`expected an expression before "${character}", which repeats the expression`);
      default:
        return { kind: 'one', test: is(character.codePointAt(0) ?? 0) };
    }
  }

  #group(): PatternNode {
    if (this.#take('?') && !this.#take(':')) {
      throw this.#error('look-around and flags ("(?…") are not supported, only "(?:"');
    }
    const tree = this.#either();
    if (!this.#take(')')) throw this.#error('expected ")"');
    return tree;
  }

  #escape(): CharacterTest {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw this.#error('expected a character after the last "\\"');
    const known = escapes[character];
    if (known) return known;
    if (digit(character.codePointAt(0) ?? 0)) throw this.#error('back-references are not supported');
    if (alpha(character.codePointAt(0) ?? 0)) throw this.#error(`"\\${character}" is not supported`);
    return is(character.codePointAt(0) ?? 0);
  }

  #bracket(): CharacterTest {
    const negated = this.#take('^');
    const tests: CharacterTest[] = [];
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
    const any: CharacterTest = (code) => tests.some((test) => test(code));
    return negated ? not(any) : any;
  }

  #range(character: string): CharacterTest {
    const low = character.codePointAt(0) ?? 0;
    const end = this.#characters[this.#at + 1];
    if (this.#peek() !== '-' || end === undefined || end === ']') return is(low);
    this.#at += 2;
    const high = end.codePointAt(0) ?? 0;
    if (high < low) throw this.#error(`expected a range in ascending order, got "${character}-${end}"`);
    return (code) => code >= low && code <= high;
  }

  #namedClass(): CharacterTest {
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
