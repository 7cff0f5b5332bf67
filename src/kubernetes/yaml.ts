/**
 * Reads the part of YAML in which kubeconfigs and kubelet configurations are written: block and flow collections, plain and
 * quoted scalars, and block scalars. Anchors, aliases and tags, with which a small file can become a large value, are
 * refused.
 */

/** What is wrong with a text, and where. */
export class YamlError extends Error {
  override readonly name = 'YamlError';

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
  }
}

interface Line {
  number: number;
  indent: number;
  text: string;
}

const MOST_DEPTH = 64;
const MOST_BYTES = 4 * 2 ** 20;

/** Reads the first document of a text. JSON is YAML, too. @throws YamlError */
export function parseYaml(source: string): unknown {
  if (source.length > MOST_BYTES) throw new YamlError(1, `expected at most ${MOST_BYTES} characters.`);
  const lines = source.replace(/^\ufeff/, '').split(/\r?\n/);
  const start = lines.findIndex((line) => !/^\s*(?:#.*)?$|^%/.test(line));
  const from = start >= 0 && /^---(?:\s|$)/.test(lines[start] as string) ? start + 1 : Math.max(start, 0);
  const end = lines.findIndex((line, i) => i >= from && /^(?:---|\.\.\.)(?:\s|$)/.test(line));
  return new Reader(lines.slice(0, end < 0 ? undefined : end), from).document();
}

class Reader {
  readonly #lines: string[];
  #at: number;

  constructor(lines: string[], from: number) {
    this.#lines = lines;
    this.#at = from;
  }

  document(): unknown {
    const first = this.#peek();
    if (!first) return null;
    const value = this.#block(first.indent, 0);
    const rest = this.#peek();
    if (rest) throw new YamlError(rest.number, 'the indentation fits no line above.');
    return value;
  }

  /** The next line that is neither empty nor a comment. */
  #peek(): Line | undefined {
    for (; this.#at < this.#lines.length; this.#at++) {
      const raw = this.#lines[this.#at] as string;
      const text = raw.trimStart();
      if (text === '' || text.startsWith('#')) continue;
      const space = raw.slice(0, raw.length - text.length);
      if (space.includes('\t')) throw new YamlError(this.#at + 1, 'a tab indents this line; expected spaces.');
      return { number: this.#at + 1, indent: space.length, text: text.trimEnd() };
    }
    return undefined;
  }

  #block(indent: number, depth: number): unknown {
    if (depth > MOST_DEPTH) throw new YamlError(this.#at + 1, `more than ${MOST_DEPTH} levels.`);
    const line = this.#peek() as Line;
    if (/^-(?:\s|$)/.test(line.text)) return this.#sequence(indent, depth);
    if (KEY.test(line.text)) return this.#mapping(indent, depth);
    this.#at++;
    return this.#scalar(line.text, line, indent, depth);
  }

  #sequence(indent: number, depth: number): unknown[] {
    const values: unknown[] = [];
    for (let line = this.#peek(); line?.indent === indent && /^-(?:\s|$)/.test(line.text); line = this.#peek()) {
      const rest = line.text.slice(1).trimStart();
      if (rest === '' || rest.startsWith('#')) {
        this.#at++;
        const next = this.#peek();
        values.push(next && next.indent > indent ? this.#block(next.indent, depth + 1) : null);
        continue;
      }
      // The rest of the line is the first line of a block that begins where the rest begins.
      const inner = indent + line.text.length - rest.length;
      this.#lines[this.#at] = ' '.repeat(inner) + rest;
      values.push(this.#block(inner, depth + 1));
    }
    return values;
  }

  #mapping(indent: number, depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      const [whole, key = ''] = KEY.exec(line.text) ?? [];
      if (whole === undefined) {
        if (/^-(?:\s|$)/.test(line.text)) break;
        throw new YamlError(line.number, 'expected "key: value".');
      }
      this.#at++;
      const name = String(plain(key, line.number));
      const rest = line.text.slice(whole.length).trim();
      entries.push([
        name,
        rest === '' || rest.startsWith('#') ? this.#below(indent, depth) : this.#scalar(rest, line, indent, depth),
      ]);
    }
    const next = this.#peek();
    if (next && next.indent > indent) throw new YamlError(next.number, 'the indentation fits no line above.');
    return Object.fromEntries(entries);
  }

  /** The value of a key whose line has no value. A sequence may have the indentation of its key. */
  #below(indent: number, depth: number): unknown {
    const next = this.#peek();
    if (!next) return null;
    const isSequence = next.indent === indent && /^-(?:\s|$)/.test(next.text);
    return next.indent > indent || isSequence ? this.#block(next.indent, depth + 1) : null;
  }

  #scalar(text: string, line: Line, indent: number, depth: number): unknown {
    const block = /^([|>])([+-]?)\s*(?:#.*)?$/.exec(text);
    if (block) return this.#blockScalar(indent, block[1] === '>', block[2] ?? '');
    if (/^[[{]/.test(text)) return this.#flow(text, line.number, depth);
    if (/^["']/.test(text) && !CLOSED.test(text))
      throw new YamlError(line.number, 'a quote is not closed on its line.');
    return plain(text, line.number);
  }

  #blockScalar(indent: number, folded: boolean, chomp: string): string {
    const from = this.#at;
    const within = (raw: string) => raw.trim() === '' || raw.search(/\S/) > indent;
    while (this.#at < this.#lines.length && within(this.#lines[this.#at] as string)) this.#at++;
    const lines = this.#lines.slice(from, this.#at);
    const least = Math.min(...lines.filter((raw) => raw.trim() !== '').map((raw) => raw.search(/\S/)));
    const text = lines.map((raw) => raw.slice(least)).join(folded ? ' ' : '\n');
    return chomp === '+' ? text : text.trimEnd() + (chomp === '-' ? '' : '\n');
  }

  /** A flow collection may continue on the next lines. */
  #flow(first: string, number: number, depth: number): unknown {
    let text = first;
    for (;;) {
      const read = readFlow(text, number, depth);
      if (read !== undefined) return read.value;
      const more = this.#lines[this.#at++];
      if (more === undefined) throw new YamlError(number, 'a bracket is not closed.');
      text += `\n${more}`;
    }
  }
}

/** A key with its colon: plain, or quoted. */
const KEY = /^((?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'[\]{}#&*!|>%@`,-][^#]*?|-[^\s#][^#]*?))\s*:(?=\s|$)/;
const CLOSED = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:#.*)?$/;

function plain(given: string, line: number): unknown {
  if (given.startsWith('"')) {
    try {
      return JSON.parse(given.slice(0, given.lastIndexOf('"') + 1));
    } catch {
      throw new YamlError(line, 'this quoted text has an escape that is not supported.');
    }
  }
  if (given.startsWith("'")) return given.slice(1, given.lastIndexOf("'")).replaceAll("''", "'");
  if (/^[&*!]/.test(given)) throw new YamlError(line, 'anchors, aliases and tags are not supported.');
  const text = given.replace(/\s#.*$/, '').trim();
  if (/^(?:~|null|Null|NULL|)$/.test(text)) return null;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  return /^[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : text;
}

/** @returns undefined: the text ends before the collection does */
function readFlow(text: string, line: number, depth: number): { value: unknown } | undefined {
  let at = 0;
  const skip = () => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  class Unfinished extends Error {}
  const value = (level: number): unknown => {
    if (level > MOST_DEPTH) throw new YamlError(line, `more than ${MOST_DEPTH} levels.`);
    skip();
    const open = text[at];
    if (open === '{' || open === '[') return collection(open, level);
    const [token = ''] =
      /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,[\]{}\n:]*(?::(?!\s)[^,[\]{}\n:]*)*)/.exec(text.slice(at)) ?? [];
    at += token.length;
    if (at >= text.length) throw new Unfinished();
    return plain(token.trim(), line);
  };
  const collection = (open: '{' | '[', level: number): unknown => {
    at++;
    const close = open === '{' ? '}' : ']';
    const list: unknown[] = [];
    const entries: [string, unknown][] = [];
    for (;;) {
      skip();
      if (at >= text.length) throw new Unfinished();
      if (text[at] === close) {
        at++;
        return open === '{' ? Object.fromEntries(entries) : list;
      }
      const item = value(level + 1);
      skip();
      if (open === '{') {
        if (text[at] !== ':') throw new YamlError(line, 'expected "key: value" in braces.');
        at++;
        entries.push([String(item), value(level + 1)]);
      } else list.push(item);
      skip();
      if (text[at] === ',') at++;
      else if (at < text.length && text[at] !== close) throw new YamlError(line, `expected "," or "${close}".`);
    }
  };
  try {
    return { value: value(depth) };
  } catch (error) {
    if (error instanceof Unfinished) return undefined;
    throw error;
  }
}
