/**
 * Joins the lines of a log record that has several lines, and splits a line that has several records: JSON over many
 * lines (`journalctl -o json-pretty`, `kubectl get -o json`), `journalctl -o export`, and answers of log servers.
 */
import type { LogLine } from './log-line.ts';
import { recordsIn } from './nested.ts';
import { fromFields, readLine } from './prefix.ts';
import type { JsonRecord } from './structured.ts';

/** Longer records are read line by line. */
const MOST_CHARS = 1024 * 1024;

const OPENS = /^\s*(?:[[{][\s[{]*$|[[{][\s[{]*".*[,{[:]\s*$)/;
const JSON_LINE = /^\s*(?:["{}\]]|\[\s*(?:$|[\]["{])|(?:-?\d[\d.eE+-]*|true|false|null),?\s*$|$)/;
const FIELD = /^([A-Z_][A-Z0-9_]{0,63})=(.*)$/s;
const BINARY_FIELD = /^[A-Z_][A-Z0-9_]{0,63}$/;

export class Records {
  #held: { raw: string; offset: number }[] = [];
  #is: 'json' | 'export' | undefined;
  #depth = 0;
  #chars = 0;

  /** True within a record: the caller must pass the lines that follow without a gap. */
  get open(): boolean {
    return this.#is !== undefined;
  }

  /** @param raw a line without its line feed @returns the lines of the records that the line completes */
  push(raw: string, offset: number): LogLine[] {
    if (this.#is === undefined) {
      // Most lines of a log begin with none of these characters.
      const first = raw.charCodeAt(0);
      if (first === 0x7b || first === 0x5b || first === 0x20 || first === 0x5f || first === 0x09) this.#begin(raw);
      if (this.#is === undefined) return single(raw, offset);
    }
    this.#held.push({ raw, offset });
    this.#chars += raw.length;
    return this.#is === 'json' ? this.#json(raw) : this.#export(raw);
  }

  /** Ends the record that is open. */
  end(): LogLine[] {
    const is = this.#is;
    const held = this.#take();
    return is === 'export' ? exported(held) : held.flatMap(({ raw, offset }) => single(raw, offset));
  }

  #begin(raw: string): void {
    if (raw.startsWith('__CURSOR=')) this.#is = 'export';
    else if (OPENS.test(raw)) this.#is = 'json';
  }

  #json(raw: string): LogLine[] {
    if (!JSON_LINE.test(raw) || this.#chars > MOST_CHARS) return this.end();
    for (const sign of raw.replaceAll(/"(?:[^"\\]|\\.)*"/g, '')) {
      if (sign === '{' || sign === '[') this.#depth++;
      else if (sign === '}' || sign === ']') this.#depth--;
    }
    if (this.#depth > 0) return [];
    let value: unknown;
    try {
      value = JSON.parse(
        this.#held
          .map((line) => line.raw)
          .join('\n')
          .replace(/,\s*$/, ''),
      );
    } catch {
      return this.end();
    }
    const [first] = this.#take();
    return linesOf(recordsIn(value), first?.offset ?? 0);
  }

  #export(raw: string): LogLine[] {
    // A blank line ends an entry, unless it stands in a field with a length.
    return (raw === '' && !isWithinField(this.#held)) || this.#chars > MOST_CHARS ? this.end() : [];
  }

  #take() {
    const held = this.#held;
    this.#held = [];
    this.#is = undefined;
    this.#depth = 0;
    this.#chars = 0;
    return held;
  }
}

/** A line that is a whole record, or that is no record. */
function single(raw: string, offset: number): LogLine[] {
  if (/^\s*(?:\{\s*["}]|\[\s*[{["])/.test(raw)) {
    try {
      return linesOf(recordsIn(JSON.parse(raw.replace(/,\s*$/, ''))), offset);
    } catch {
      // The line is not JSON, or not all of it.
    }
  }
  const line = readLine(raw, offset);
  return line ? [line] : [];
}

const linesOf = (records: JsonRecord[], offset: number) =>
  records.flatMap((record) => fromFields(record, offset) ?? []);

/** An entry of `journalctl -o export` (systemd: docs/JOURNAL_EXPORT_FORMATS.md). */
function exported(held: readonly { raw: string; offset: number }[]): LogLine[] {
  const record: JsonRecord = {};
  for (let at = 0; at < held.length; at++) {
    const raw = held[at]?.raw ?? '';
    const [, key, value] = FIELD.exec(raw) ?? [];
    if (key !== undefined) record[key] = value;
    if (!BINARY_FIELD.test(raw)) continue;
    const { text, next } = binary(held, at + 1);
    record[raw] = text;
    at = next - 1;
  }
  return linesOf([record], held[0]?.offset ?? 0);
}

/** The text of a field that begins with its length: 64 bits, the lowest byte first. A line feed ends the text. */
function binary(held: readonly { raw: string }[], from: number): { text: string; next: number; whole: boolean } {
  const first = held[from]?.raw ?? '';
  const codes = [...first.slice(0, 8)].map((character) => character.codePointAt(0) ?? 0);
  // A byte above 0x7f was lost when the log was decoded: then the next field shows where the text ends.
  const known = codes.length === 8 && codes.every((code) => code < 0x80);
  const length = known ? codes.reduceRight((sum, code) => sum * 256 + code, 0) : null;
  let text = first.slice(8);
  let next = from + 1;
  const isWhole = () =>
    length === null
      ? next >= held.length || FIELD.test(held[next]?.raw ?? '') || held[next]?.raw === ''
      : utf8.encode(text).length >= length;
  while (next < held.length && !isWhole()) text += `\n${held[next++]?.raw}`;
  return { text, next, whole: isWhole() };
}

const utf8 = new TextEncoder();

function isWithinField(held: readonly { raw: string }[]): boolean {
  const before = held.findLastIndex(({ raw }) => BINARY_FIELD.test(raw));
  return before >= 0 && held.length > before + 1 && !binary(held, before + 1).whole;
}
