/**
 * Paths of values in a configuration: `guard.rule[0].when[1]`. A key that is not bare stands in quotes, as in TOML, and
 * with control and bidirectional characters escaped: `trace."a.b"`.
 */
import { printable } from '../text/printable.ts';

/**
 * A longer key is cut, and a longer path gets no further parts. Paths are only used in messages, and every real path
 * is shorter.
 */
const MOST_KEY = 80;
const MOST_PATH = 500;

export function pathTo(table: string, key: string): string {
  if (table.length > MOST_PATH) return table;
  const shown = /^[A-Za-z0-9_-]{1,80}$/.test(key) ? key : printable(JSON.stringify(key.slice(0, MOST_KEY)));
  return table === '' ? shown : `${table}.${shown}`;
}

/** The path of the enclosing table or list; "" for a key at the top level of the file. Always shorter than `path`. */
export function parentOf(path: string): string {
  const start = path.search(/(?:^|\.)(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*")$|\[\d+\]$/);
  return start <= 0 ? '' : path.slice(0, start);
}
