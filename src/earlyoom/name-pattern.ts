/**
 * The patterns of --prefer, --avoid and --ignore: POSIX extended regular expressions as regcomp(3) of glibc reads them
 * in the locale "C", where a character is a byte. They are rewritten for Pattern, which matches in linear time. Patterns
 * with back-references or word boundaries (\b, \B, \<, \>) need backtracking and are rewritten for RegExp. A name has at
 * most 15 bytes, so that no name can make it slow.
 */
import { Pattern } from '../guard/rules/pattern.ts';

export interface NamePattern {
  readonly source: string;
  test(name: string): boolean;
}

/** @throws Error if regcomp() refuses the pattern, too */
export function namePattern(source: string): NamePattern {
  const rewriter = new Rewriter(bytesOf(source));
  const written = rewriter.rewrite();
  const pattern = rewriter.backtracks ? new RegExp(withSets(written), 's') : new Pattern(written);
  return { source, test: (name) => pattern.test(bytesOf(name)) };
}

/** A text in which each character stands for a byte of UTF-8. */
const bytesOf = (text: string) => Buffer.from(text).toString('latin1');

/** RE_DUP_MAX of glibc. */
const MOST_REPEATS = 32_767;

class Rewriter {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  /** Groups that are closed. */
  #groups = 0;
  /** Whether there are back-references or word boundaries. */
  backtracks = false;
  /** Whether the last part can be repeated: not at the beginning of an alternative, and not behind an anchor. */
  #repeatable = false;

  constructor(source: string) {
    this.#source = source;
  }

  rewrite(): string {
    let written = '';
    while (this.#at < this.#source.length) written += this.#part(this.#source[this.#at++] as string);
    if (this.#depth > 0) throw new Error('expected ")"');
    return written;
  }

  #part(character: string): string {
    switch (character) {
      case '\\':
        return this.#escape();
      case '[':
        return this.#atom(this.#bracket());
      case '(':
        this.#depth++;
        return this.#edge('(');
      case ')':
        if (this.#depth === 0) return this.#atom('\\)');
        this.#depth--;
        this.#groups++;
        return this.#atom(')');
      case '|':
      case '^':
      case '$':
        return this.#edge(character);
      case '*':
      case '+':
      case '?':
      case '{':
        if (!this.#repeatable) throw new Error(`expected something before "${character}"`);
        return character === '{' ? this.#counts() : character;
      case '.':
        return this.#atom('.');
      default:
        return this.#atom(literal(character));
    }
  }

  #atom(text: string): string {
    this.#repeatable = true;
    return text;
  }

  #edge(text: string): string {
    this.#repeatable = false;
    return text;
  }

  #counts(): string {
    const [all, least = '', comma, most = ''] = /^(\d*)(,?)(\d*)\}/.exec(this.#source.slice(this.#at)) ?? [];
    if (all === undefined || (least === '' && comma === '')) throw new Error('expected {LEAST,MOST}');
    if (Number(least) > MOST_REPEATS || Number(most) > MOST_REPEATS) throw new Error('expected fewer repetitions');
    this.#at += all.length;
    return `{${Number(least)}${comma}${most === '' ? '' : Number(most)}}`;
  }

  #escape(): string {
    const character = this.#source[this.#at++];
    if (character === undefined) throw new Error('expected a character after the last "\\"');
    if (/[1-9bB<>]/.test(character)) return this.#backtracking(character);
    if (/[wWsS]/.test(character)) return this.#atom(`\\${character}`);
    if (character === '`' || character === "'") return this.#edge(character === '`' ? '^' : '$');
    return this.#atom(literal(character));
  }

  #backtracking(character: string): string {
    this.backtracks = true;
    if (/[1-9]/.test(character)) {
      if (Number(character) > this.#groups) throw new Error(`expected a group ${character} before "\\${character}"`);
      return this.#atom(`\\${character}`);
    }
    if (character === '<') return this.#edge('\\b(?=\\w)');
    return this.#edge(character === '>' ? '\\b(?<=\\w)' : `\\${character}`);
  }

  /** A bracket expression, in which a backslash stands for itself. */
  #bracket(): string {
    let written = '[';
    if (this.#source[this.#at] === '^') {
      this.#at++;
      written += '^';
    }
    for (let first = true; ; first = false) {
      if (this.#source[this.#at] === ']' && !first) {
        this.#at++;
        return `${written}]`;
      }
      written += this.#item();
    }
  }

  #item(): string {
    const [named] = /^\[:[a-z]*:\]/.exec(this.#source.slice(this.#at)) ?? [];
    if (named !== undefined) {
      this.#at += named.length;
      return named; // Pattern refuses an unknown name
    }
    const low = this.#element();
    const rest = this.#source.slice(this.#at, this.#at + 2);
    if (!rest.startsWith('-') || rest === '-]' || rest.length < 2) return literal(low);
    this.#at++;
    const high = this.#element();
    const [from, to] = [low.charCodeAt(0), high.charCodeAt(0)];
    if (from > to) throw new Error('expected a range that goes up');
    return Array.from({ length: to - from + 1 }, (_, i) => literal(String.fromCharCode(from + i))).join('');
  }

  /** A character of a bracket expression, also as [.a.] or [=a=]. */
  #element(): string {
    const [named, , inside] = /^\[([.=])(.)\1\]/s.exec(this.#source.slice(this.#at)) ?? [];
    const character = inside ?? this.#source[this.#at];
    if (character === undefined || (inside === undefined && /^\[[.=:]/.test(this.#source.slice(this.#at))))
      throw new Error('expected "]"');
    this.#at += named?.length ?? 1;
    return character;
  }
}

/** The named classes of brackets, for RegExp, which does not have them. */
const sets: Readonly<Record<string, string>> = {
  alpha: 'A-Za-z',
  digit: '0-9',
  alnum: '0-9A-Za-z',
  upper: 'A-Z',
  lower: 'a-z',
  space: ' \\t-\\r',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`{-~',
  print: ' -~',
  graph: '!-~',
  cntrl: '\\0-\\x1f\\x7f',
  xdigit: '0-9A-Fa-f',
};
const withSets = (written: string) =>
  written.replaceAll(/\[:([a-z]*):\]/g, (_, name: string) => {
    const set = Object.hasOwn(sets, name) ? sets[name] : undefined;
    if (set === undefined) throw new Error(`there is no class "${name}"`);
    return set;
  });

/** A character that stands for itself in a Pattern, also inside brackets. */
const literal = (character: string) => (/[\\.[\](){}*+?|^$-]/.test(character) ? `\\${character}` : character);
