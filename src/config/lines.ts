/**
 * Finds the line of each value in a TOML file, which the parser does not report. The parser has accepted the text
 * before, so this code need not check the text. It follows headers, keys, arrays, inline tables, and strings of all
 * four kinds.
 */
import { parentOf, pathTo } from './path.ts';

/**
 * Maps paths such as "guard.rule[0].when[1]" to lines, counted from 1. A path missing from the file gets the line of
 * its nearest enclosing table.
 */
export function linesOf(toml: string): (path: string) => number {
  const lines = new Scanner(toml).scan();
  return (path) => {
    for (let at = path; at !== ''; at = parentOf(at)) {
      const line = lines.get(at);
      if (line !== undefined) return line;
    }
    return 1;
  };
}

const BLANK = /[ \t\r\n]*(?:#[^\n]*[ \t\r\n]*)*/y;
const KEY = /[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'/y;
const STRING = /"""(?:\\[\s\S]|[^\\])*?"{3,5}|'''[\s\S]*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*'/y;
const PLAIN = /[^,\]}\n#]+/y;

class Scanner {
  readonly #text: string;
  readonly #lines = new Map<string, number>();
  /** Number of tables that each array of tables has so far, by path. */
  readonly #counts = new Map<string, number>();
  #at = 0;
  #closedAt = -1;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): Map<string, number> {
    let table = '';
    for (this.#take(BLANK); this.#at < this.#text.length; this.#take(BLANK)) {
      const from = this.#at;
      if (this.#skip('[')) table = this.#header(this.#skip('['));
      else this.#pair(table);
      if (this.#at === from) break; // no progress: the text is not TOML
    }
    return this.#lines;
  }

  #header(array: boolean): string {
    const line = this.#line;
    const names = this.#key();
    this.#skip(']');
    if (array) this.#skip(']');
    let path = '';
    for (const [i, name] of names.entries()) {
      path = pathTo(path, name);
      const count = this.#counts.get(path) ?? 0;
      if (array && i === names.length - 1) {
        this.#counts.set(path, count + 1);
        path = `${path}[${count}]`;
      } else if (count > 0) path = `${path}[${count - 1}]`;
    }
    this.#lines.set(path, line);
    return path;
  }

  #pair(table: string): void {
    const line = this.#line;
    const path = this.#key().reduce((left, name) => {
      const inner = pathTo(left, name);
      if (!this.#lines.has(inner)) this.#lines.set(inner, line);
      return inner;
    }, table);
    this.#take(BLANK);
    this.#skip('=');
    this.#value(path);
  }

  #key(): string[] {
    const names: string[] = [];
    do {
      this.#take(BLANK);
      names.push(keyOf(this.#take(KEY)));
      this.#take(BLANK);
    } while (this.#skip('.'));
    return names;
  }

  #value(path: string): void {
    this.#take(BLANK);
    if (!this.#lines.has(path) || path.endsWith(']')) this.#lines.set(path, this.#line);
    if (this.#skip('[')) {
      for (let i = 0; !this.#closes(']'); i++) this.#value(`${path}[${i}]`);
    } else if (this.#skip('{')) {
      while (!this.#closes('}')) this.#pair(path);
    } else if (!this.#take(STRING)) {
      this.#take(PLAIN);
    }
  }

  /** Skips blanks and a comma. @returns true at the closing bracket, and also if no progress is possible */
  #closes(bracket: string): boolean {
    if (this.#at === this.#closedAt) return true; // no progress: the text is not TOML
    this.#closedAt = this.#at;
    this.#take(BLANK);
    if (this.#skip(',')) this.#take(BLANK);
    return this.#skip(bracket) || this.#at >= this.#text.length;
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const [taken = ''] = pattern.exec(this.#text) ?? [];
    this.#at += taken.length;
    for (const character of taken) if (character === '\n') this.#line++;
    return taken;
  }
}

/** The key that is written as this bare, literal or basic string. */
function keyOf(written: string): string {
  if (written.startsWith("'")) return written.slice(1, -1);
  if (!written.startsWith('"')) return written;
  return written
    .slice(1, -1)
    .replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))/gs, (_, u, long, x, letter: string) => {
      const code = u ?? long ?? x;
      if (code === undefined) return escapes[letter] ?? letter;
      return String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff));
    });
}

const escapes: Record<string, string> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\x1b' };
