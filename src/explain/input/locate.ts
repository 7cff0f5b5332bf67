/**
 * Finds a kernel message in a line with an unknown prefix, such as quotation marks, the time stamp of another tool, or
 * prose. Lines with a prefix that prefix.ts knows do not come here.
 */

import { MOST_COMM } from '../lines/head-lines.ts';
import { parseLine } from '../lines/parse-line.ts';
import type { ParsedLine } from '../lines/parsed-line.ts';
import { withoutColours } from './colours.ts';

/** Text before a kernel message that is longer than this is prose, not a prefix. */
const MOST_PREFIX = 240;
const MOST_STEPS = 10;
const MOST_SHAPES = 8;

/** Beginnings of report lines that are specific enough to be searched anywhere in a line. */
const START =
  /oom-kill:\s?constraint=|(?:Memory cgroup )?[Oo]ut of [Mm]emory(?: \([^)]{1,60}\))?: [Kk]ill(?:ed)? process \d|Out of memory and no killable|Killed process \d+[ ,]|oom_reaper: (?:reaped|unable)|Tasks? in \/|Tasks state \(memory|Memory cgroup stats for \/|memory(?:\+swap)?: usage \d+kB|(?<=\s)(?:swap|kmem): usage \d+kB|CPU: \d+ (?:UID: \d+ )?PID: \d|Pid: \d+, comm: |Call [Tt]race:|Mem-[Ii]nfo:|Node \d+ (?:DMA|DMA32|Normal|HighMem|Movable|Device|active_anon)\b|\[\s*pid\s*\]\s+uid|\[\s*\d+\]\s+\d+\s+\d+(?:\s+-?\d+){4,10}\s+\S|Kernel panic - not syncing: |(?:SysRq|sysrq) ?: (?:SysRq : )?Manual OOM|COMPACTION is disabled!!!|active_anon:\d+ inactive_anon:\d+/;

/** Every line of a report matches this, except for the lines of the cgroup's statistics. */
const WORDS =
  /oom|[Oo]ut of [Mm]em|ill(?:ed)? process|Mem-|Node \d|_anon:|usage \d|P[Ii][Dd]: |race:|\+0x|[Ss]wap|pages |panic|Tasks? |mems_allowed|\] +\d+ +\d|lowmem|hugepages_|\d[Kk]B/;

/** Parts of prefixes. They are removed from the beginning of a line one after the other, up to the kernel message. */
const PIECES: readonly RegExp[] = [
  // The kernel's time stamp, with all text before it.
  /^.{0,240}?\[\s*\d{1,9}\.\d{3,9}\](?:\s?\[\s*[TC]\d{1,10}\])?:?\s?/s,
  // "kernel: ", or RFC 5424: "host kernel - - - ".
  /^.{0,240}?\bkernel(?:\[\d+\])?(?::\s?| - - - )/s,
  // Marks of quotes, diffs, comments, lists and code fences, and the arrows of a web page that wraps lines.
  /^(?:[\s>|+#*`"'↪…]|-(?=\s)|:(?=\s)|~(?=\s))+/,
  // grep -n: "1234:", "kern.log:1234:"
  /^(?:[\w./-]+:)?\d+[:-](?!\d)\s*/,
  // A facility and level in words: "kern: warning: ", "kern    :info  : "
  /^(?:[\w.-]{1,80}:\s+)?(?:kern|user|daemon)\s*:\s*\w+\s*:\s*/,
  /^kern\.\w+\s+/,
  // The beginning of a JSON object that was wrapped
  /^[{,\s]*"(?:message|MESSAGE|log|msg|textPayload|line)"\s*:\s*"/,
  // Escaped terminal colours in a JSON string
  /^(?:\\u001b\[[0-9;]*m)+/,
  // journalctl -o export
  /^MESSAGE=/,
  // A time stamp in brackets in any language; not the pid of a task row, not an address, not the column names.
  /^\[(?!\s*(?:pid|\d+)\s*\])(?![<\s]*[0-9a-f]{8,})[^\]\n]{1,80}\]:?\s+/,
];

export interface Located {
  line: ParsedLine;
  text: string;
  /** The part of the line before `text`. */
  prefix: string;
}

/** The reasons that the kernel prints before a kill (mm/oom_kill.c: the message of oom_kill_process). */
const WHY = /^(?:Out of [Mm]emory|Memory cgroup out of memory|No available memory)/;

/** False when the name or the reason of a line still contains a part of a prefix. */
function isPlausible(line: ParsedLine): boolean {
  if (line.is === 'killed' || line.is === 'chosen') return line.why === null || WHY.test(line.why);
  return (line.is !== 'invoked' && line.is !== 'cpuset') || isName(line.comm);
}

const BYTES = new TextEncoder();

/** A process name has at most 15 bytes. It may contain blanks, colons and brackets, but no text that ends a prefix. */
export function isName(comm: string): boolean {
  if (comm === '' || /^[\s>|+#*`"']|^: |[\])|] |: |^\d+:|^MESSAGE=|^\{"|\\u001b|"\s*:\s*"/.test(comm)) return false;
  return comm.length <= MOST_COMM && BYTES.encode(comm.replaceAll(/\\x[0-9a-f]{2}/g, '_')).length <= MOST_COMM * 4;
}

export class Locator {
  /** Patterns of prefixes that were found before kernel messages, for lines whose message is harder to recognise. */
  readonly #shapes: RegExp[] = [];

  /** @returns undefined: `text` does not contain a line of a report */
  locate(text: string): Located | undefined {
    // A fast test first, because most lines that come here belong to other programs.
    if (this.#shapes.length === 0 && !WORDS.test(text)) return undefined;
    const found = this.#byShape(text);
    if (found || !WORDS.test(text)) return found;
    const object = text.includes('{"') ? this.#quoted(text) : undefined;
    return object ?? this.#byPieces(text) ?? this.#bySentence(text) ?? this.#quoted(text);
  }

  /** The process name in a head whose prefix was not known when the head was read. undefined: there is no name. */
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

  /** A kernel message in quotation marks: JSON over several lines, logfmt, the answer of an API. */
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

/** A pattern for the same prefix with other numbers, because time stamps and line numbers change from line to line. */
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
