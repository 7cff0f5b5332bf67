/**
 * Joins the lines of a log record that has several lines, and splits a line that has several records: JSON over many
 * lines (`journalctl -o json-pretty`, `kubectl get -o json`), `journalctl -o export`, YAML of
 * Kubernetes, and answers of log servers.
 */
import type { LogLine } from './log-line.ts';
import { recordsIn, recordsInto } from './nested.ts';
import { fromFields, readLine } from './prefix.ts';
import type { JsonRecord } from './structured.ts';
import { fromYaml, YAML_BEGINS, YAML_LINE } from './yaml.ts';

/** Longer records are read line by line. */
const MOST_CHARS = 1024 * 1024;

const OPENS = /^\s*(?:[[{][\s[{]*$|[[{][\s[{]*".*[,{[:]\s*$)/;
const JSON_LINE = /^\s*(?:["{}\]]|\[\s*(?:$|[\]["{])|(?:-?\d[\d.eE+-]*|true|false|null),?\s*$|$)/;
/** The first characters of records of several lines: tab, blank, '-', '[', '_', 'a', '{'. */
const FIRST = [0x09, 0x20, 0x2d, 0x5b, 0x5f, 0x61, 0x7b];
const FIELD = /^([A-Z_][A-Z0-9_]{0,63})=(.*)$/s;
const BINARY_FIELD = /^[A-Z_][A-Z0-9_]{0,63}$/;

export class Records {
  #held: { raw: string; offset: number }[] = [];
  #is: 'json' | 'export' | 'yaml' | undefined;
  #depth = 0;
  #chars = 0;
  /** In an entry of `journalctl -o export`: the line before was the name of a field with a length. */
  #named = false;
  /** The bytes of that field that have not come. */
  #missing = 0;
  /** False: `missing` is the most that may come, and the next field ends the text. */
  #sure = true;

  /** True within a record: the caller must pass the lines that follow without a gap. */
  get open(): boolean {
    return this.#is !== undefined;
  }

  /** @param raw a line without its line feed @returns the lines of the records that the line completes */
  push(raw: string, offset: number): LogLine[] {
    if (this.#is === undefined) {
      // Most lines of a log begin with none of these characters.
      const first = raw.charCodeAt(0);
      if (FIRST.includes(first)) this.#begin(raw);
      if (this.#is === undefined) return single(raw, offset);
    }
    if (this.#is === 'yaml' && this.#held.length > 0 && !isNextOfYaml(raw))
      return [...this.end(), ...this.push(raw, offset)];
    this.#held.push({ raw, offset });
    this.#chars += raw.length;
    if (this.#is === 'json') return this.#json(raw);
    if (this.#is === 'export') return this.#export(raw);
    return this.#chars > MOST_CHARS ? this.end() : [];
  }

  /** Ends the record that is open. */
  end(): LogLine[] {
    // A field that is shorter than its length shows that this is no entry of the journal.
    const is = this.#chars > MOST_CHARS || (this.#missing > 0 && this.#sure) ? undefined : this.#is;
    const held = this.#take();
    if (is === 'export') return exported(held);
    const found = is === 'yaml' ? recordsIn(fromYaml(held.map(({ raw }) => raw))) : [];
    if (found.length > 0) return linesOf(found, held[0]?.offset ?? 0);
    return held.flatMap(({ raw, offset }) => single(raw, offset));
  }

  #begin(raw: string): void {
    if (raw.startsWith('__CURSOR=')) this.#is = 'export';
    else if (YAML_BEGINS.test(raw)) this.#is = 'yaml';
    else if (OPENS.test(raw)) this.#is = 'json';
  }

  #json(raw: string): LogLine[] {
    if (!JSON_LINE.test(raw) || this.#chars > MOST_CHARS) return this.end();
    // A string that does not end is removed as well: a search from each of its quotation marks would take quadratic time.
    for (const sign of raw.replaceAll(/"(?:[^"\\]|\\.)*(?:"|\\?$)/g, '')) {
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
    if (this.#chars > MOST_CHARS) return this.end();
    if (this.#named) {
      const { length, sure, text } = withLength(raw);
      this.#named = false;
      this.#missing = length - bytesOf(text);
      this.#sure = sure;
      return [];
    }
    if (this.#missing > 0 && (this.#sure || !FIELD.test(raw))) {
      this.#missing -= bytesOf(raw) + 1;
      return [];
    }
    this.#missing = 0;
    this.#named = BINARY_FIELD.test(raw);
    if (raw === '') return this.end();
    const isNext = raw.startsWith('__CURSOR=') && this.#held.length > 1;
    if (this.#named || (FIELD.test(raw) && !isNext)) return [];
    const offset = this.#held.pop()?.offset ?? 0;
    return [...this.end(), ...this.push(raw, offset)];
  }

  #take() {
    const held = this.#held;
    this.#held = [];
    this.#is = undefined;
    this.#depth = 0;
    this.#chars = 0;
    this.#missing = 0;
    this.#named = false;
    return held;
  }
}

const isNextOfYaml = (raw: string) => YAML_LINE.test(raw) && !YAML_BEGINS.test(raw);

/** A container runtime's prefix before a line of JSON. */
const CRI_JSON = /^(\d{4}-\d\d-\d\dT\S{8,30}) std(?:out|err) F (?=\{\s*")/;

/** A line that is a whole record, or that is no record. */
function single(raw: string, offset: number): LogLine[] {
  const [cri, time] = CRI_JSON.exec(raw) ?? [];
  if (cri !== undefined) {
    try {
      const found: JsonRecord[] = [];
      recordsInto(JSON.parse(raw.slice(cri.length)), { time, host: null }, (one) => found.push(one));
      return linesOf(found, offset);
    } catch {
      // The line is not JSON, or not all of it.
    }
  }
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

/** A field begins with its length: 64 bits, the lowest byte first. A line feed ends the text. */
function withLength(raw: string): { length: number; sure: boolean; text: string } {
  const codes = [...raw.slice(0, 8)].map((character) => character.codePointAt(0) ?? 0);
  // A byte above 0x7f was lost when the log was decoded: then the next field shows where the text ends.
  const sure = codes.every((code) => code < 0x80);
  const length = codes.reduceRight((sum, code) => sum * 256 + (code < 0x80 ? code : 0xff), 0);
  return { length, sure, text: raw.slice(8) };
}

/** @returns the text of a field with a length, and the number of the line after it */
function binary(held: readonly { raw: string }[], from: number): { text: string; next: number } {
  const { length, sure, text } = withLength(held[from]?.raw ?? '');
  const parts = [text];
  let missing = length - bytesOf(text);
  let next = from + 1;
  for (; next < held.length && missing > 0; next++) {
    const raw = held[next]?.raw ?? '';
    if (!sure && FIELD.test(raw)) break;
    parts.push(raw);
    missing -= bytesOf(raw) + 1;
  }
  return { text: parts.join('\n'), next };
}

const utf8 = new TextEncoder();
const bytesOf = (text: string) => utf8.encode(text).length;
