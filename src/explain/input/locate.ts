/**
 * Finds the kernel's words in a line whose prefix is on no list: quote marks, an unknown tool's stamp, a word of prose. Only
 * lines that no list of prefixes explains come here.
 */

import { MOST_COMM } from '../lines/head-lines.ts';
import { parseLine } from '../lines/parse-line.ts';
import type { ParsedLine } from '../lines/parsed-line.ts';
import { withoutColours } from './colours.ts';

/** Longer prefixes are prose. */
const MOST_PREFIX = 240;
const MOST_STEPS = 10;
const MOST_SHAPES = 8;

/** What begins a line of a report and nothing else, wherever it stands in a line of a log. */
const START =
  /oom-kill:\s?constraint=|(?:Memory cgroup )?[Oo]ut of [Mm]emory(?: \([^)]{1,60}\))?: [Kk]ill(?:ed)? process \d|Out of memory and no killable|Killed process \d+[ ,]|oom_reaper: (?:reaped|unable)|Tasks? in \/|Tasks state \(memory|Memory cgroup stats for \/|memory(?:\+swap)?: usage \d+kB|(?<=\s)(?:swap|kmem): usage \d+kB|CPU: \d+ (?:UID: \d+ )?PID: \d|Pid: \d+, comm: |Call [Tt]race:|Mem-[Ii]nfo:|Node \d+ (?:DMA|DMA32|Normal|HighMem|Movable|Device|active_anon)\b|\[\s*pid\s*\]\s+uid|\[\s*\d+\]\s+\d+\s+\d+(?:\s+-?\d+){4,10}\s+\S|Kernel panic - not syncing: |(?:SysRq|sysrq) ?: (?:SysRq : )?Manual OOM|COMPACTION is disabled!!!|active_anon:\d+ inactive_anon:\d+/;

/** One of these is in every line of a report, but for the figures of a cgroup's statistics. */
const WORDS =
  /oom|[Oo]ut of [Mm]em|ill(?:ed)? process|Mem-|Node \d|_anon:|usage \d|P[Ii][Dd]: |race:|\+0x|[Ss]wap|pages |panic|Tasks? |mems_allowed|\] +\d+ +\d|lowmem|hugepages_|\d[Kk]B/;

/** Prefix pieces, each tried at the beginning of what is left. All end before the kernel's words can begin. */
const PIECES: readonly RegExp[] = [
  // The kernel's own stamp, with what precedes it.
  /^.{0,240}?\[\s*\d{1,9}\.\d{3,9}\](?:\s?\[\s*[TC]\d{1,10}\])?:?\s?/s,
  // "kernel: ", or RFC 5424: "host kernel - - - ".
  /^.{0,240}?\bkernel(?:\[\d+\])?(?::\s?| - - - )/s,
  // Quotes, diffs, comments, lists, code fences, arrows of a page that folds lines.
  /^(?:[\s>|+#*`"'↪…]|-(?=\s)|:(?=\s)|~(?=\s))+/,
  // grep -n: "1234:", "kern.log:1234:"
  /^(?:[\w./-]+:)?\d+[:-](?!\d)\s*/,
  // A facility and level in words: "kern: warning: ", "kern    :info  : "
  /^(?:[\w.-]{1,80}:\s+)?(?:kern|user|daemon)\s*:\s*\w+\s*:\s*/,
  /^kern\.\w+\s+/,
  // A JSON object that a page has folded
  /^[{,\s]*"(?:message|MESSAGE|log|msg|textPayload|line)"\s*:\s*"/,
  // The colours of a JSON string
  /^(?:\\u001b\[[0-9;]*m)+/,
  // journalctl -o export
  /^MESSAGE=/,
  // A stamp in brackets of any form and language, but no row of a task table, no address, no column names.
  /^\[(?!\s*(?:pid|\d+)\s*\])(?![<\s]*[0-9a-f]{8,})[^\]\n]{1,80}\]:?\s+/,
];

export interface Located {
  line: ParsedLine;
  text: string;
  /** What stood before `text`. */
  prefix: string;
}

/** The kernel's reasons (mm/oom_kill.c: the message of oom_kill_process). */
const WHY = /^(?:Out of [Mm]emory|Memory cgroup out of memory|No available memory)/;

/** False for a name or a reason that has a part of a prefix in it. */
function isPlausible(line: ParsedLine): boolean {
  if (line.is === 'killed' || line.is === 'chosen') return line.why === null || WHY.test(line.why);
  return (line.is !== 'invoked' && line.is !== 'cpuset') || isName(line.comm);
}

const BYTES = new TextEncoder();

/** A name has at most 15 bytes. It may hold blanks, colons and brackets, but not what ends a prefix. */
export function isName(comm: string): boolean {
  if (comm === '' || /^[\s>|+#*`"']|^: |[\])|] |: |^\d+:|^MESSAGE=|^\{"|\\u001b|"\s*:\s*"/.test(comm)) return false;
  return comm.length <= MOST_COMM && BYTES.encode(comm.replaceAll(/\\x[0-9a-f]{2}/g, '_')).length <= MOST_COMM * 4;
}

export class Locator {
  /** Prefixes that were found before a sentence of the kernel, as patterns: they strip the lines around it as well. */
  readonly #shapes: RegExp[] = [];

  /** @returns undefined: no line of a report is in `text` */
  locate(text: string): Located | undefined {
    // Most lines that come here are of other programs.
    if (this.#shapes.length === 0 && !WORDS.test(text)) return undefined;
    const found = this.#byShape(text);
    if (found || !WORDS.test(text)) return found;
    const object = text.includes('{"') ? this.#quoted(text) : undefined;
    return object ?? this.#byPieces(text) ?? this.#bySentence(text) ?? this.#quoted(text);
  }

  /** The name in a head whose prefix could not be told when the head was read. undefined: it is not there. */
  nameIn(comm: string): string | undefined {
    for (const shape of this.#shapes) {
      const prefix = shape.exec(comm)?.[0];
      if (prefix && prefix.length < comm.length && isName(comm.slice(prefix.length))) return comm.slice(prefix.length);
    }
    const last = comm.split(/[\])>|]\s+|:\s+/).at(-1) ?? comm;
    if (isName(last)) return last;
    const word = comm.split(/\s+/).at(-1) ?? comm;
    return isName(word) ? word : undefined;
  }

  #byShape(text: string): Located | undefined {
    for (const shape of this.#shapes) {
      const prefix = shape.exec(text)?.[0];
      const found = prefix === undefined ? undefined : attempt(text, prefix.length);
      if (found) return found;
    }
    return undefined;
  }

  #byPieces(text: string): Located | undefined {
    let at = 0;
    for (let step = 0; step < MOST_STEPS; step++) {
      const rest = text.slice(at);
      const length = PIECES.map((piece) => piece.exec(rest)?.[0].length ?? 0).find((one) => one > 0) ?? 0;
      if (length === 0) return undefined;
      at += length;
      const found = attempt(text, at);
      if (found) {
        if (found.line.is !== 'invoked' && found.line.is !== 'cpuset') this.#learn(found.prefix);
        return found;
      }
    }
    return undefined;
  }

  #bySentence(text: string): Located | undefined {
    const match = START.exec(text);
    if (!match || match.index === 0 || match.index > MOST_PREFIX) return undefined;
    const found = attempt(text, match.index);
    if (found) this.#learn(found.prefix);
    return found;
  }

  /** A sentence of the kernel in quotes: JSON over several lines, logfmt, an API object. */
  #quoted(text: string): Located | undefined {
    for (const [whole, inner = ''] of text.matchAll(/"((?:[^"\\]|\\.)*)"/g)) {
      if (!WORDS.test(inner)) continue;
      const plain = withoutColours(unescaped(whole) ?? inner);
      const line = parseLine(plain);
      if (line && isPlausible(line)) return { line, text: plain, prefix: '' };
      const found = this.#byPieces(plain) ?? this.#bySentence(plain);
      if (found) return found;
    }
    return undefined;
  }

  #learn(prefix: string): void {
    if (prefix.trim() === '' || prefix.length > MOST_PREFIX) return;
    const shape = shapeOf(prefix);
    const known = this.#shapes.findIndex(({ source }) => source === shape.source);
    if (known >= 0) this.#shapes.splice(known, 1);
    this.#shapes.unshift(shape);
    if (this.#shapes.length > MOST_SHAPES) this.#shapes.pop();
  }
}

function attempt(text: string, at: number): Located | undefined {
  if (at >= text.length) return undefined;
  const rest = text.slice(at);
  const line = parseLine(rest);
  return line && isPlausible(line) ? { line, text: rest, prefix: text.slice(0, at) } : undefined;
}

/** The same prefix with other numbers: stamps and line numbers change from line to line. */
function shapeOf(prefix: string): RegExp {
  const source = prefix
    .replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
    .replaceAll(/\d+/g, '\\d+')
    .replaceAll(/\s+/g, '\\s+');
  return new RegExp(`^${source}`);
}

function unescaped(json: string): string | undefined {
  try {
    return JSON.parse(json) as string;
  } catch {
    return undefined;
  }
}

export { isPlausible };
