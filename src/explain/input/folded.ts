/** Joins lines that a mail, a web page or a terminal has wrapped. */
import { parseLine } from '../lines/parse-line.ts';
import type { ParsedLine } from '../lines/parsed-line.ts';

/** Joined lines are at most this long; no kernel message is longer. */
const LONGEST = 4096;

/** A line that the next line may continue. `line`: its parsed form, undefined when it cannot be parsed alone. */
export interface Unfinished {
  text: string;
  line: ParsedLine | undefined;
}

/** @returns both lines as one, when the joined line can be parsed and has more fields than the first line alone */
export function joined(last: Unfinished, next: string): { line: ParsedLine; text: string } | undefined {
  if (next === '' || last.text.length + next.length > LONGEST) return undefined;
  const head = last.text.trimEnd();
  const soft = head.endsWith('=') && /=3D|=$/.test(head) && !/\w=$/.test(head.replace(/=$/, ''));
  const tail = next.trimStart();
  // Digits at the end of a line and digits at the start of the next are never joined: they may be two numbers.
  const glued = /\d$/.test(head) && /^\d/.test(tail) ? [] : [soft ? head.slice(0, -1) + tail : head + tail];
  const texts = soft || /[/_(|=-]$/.test(head) ? [...glued, `${head} ${tail}`] : [`${head} ${tail}`, ...glued];
  for (const text of texts) {
    const line = parseLine(text);
    if (line && saysMore(line, last.line, tail)) return { line, text };
  }
  return undefined;
}

function saysMore(now: ParsedLine, before: ParsedLine | undefined, tail: string): boolean {
  if (before === undefined) return true;
  if (now.is !== before.is) return false;
  if (now.is === 'task_in')
    return /^[\w.:@-]+$/.test(tail) && before.is === 'task_in' && before.limit?.endsWith('/') === true;
  if (now.is === 'panic')
    return before.is === 'panic' && before.text.length > 40 && tail.length < 40 && !tail.startsWith('[');
  return weight(now) > weight(before);
}

/** The number of optional fields that a line has; a wrapped line lacks some of them. */
function weight(line: ParsedLine): number {
  switch (line.is) {
    case 'invoked':
      return [line.mask, line.names, line.order, line.adj, line.nodemask].filter((one) => one !== null).length;
    case 'summary':
      return [line.pid, line.uid, line.comm, line.limit, line.task, line.cpuset].filter((one) => one !== null).length;
    case 'killed':
      return Object.keys(line.kib).length + (line.uid === null ? 0 : 1) + (line.adj === null ? 0 : 1);
    case 'chosen':
      return line.score === null ? 0 : 1;
    case 'reaped':
      return [line.anon, line.file, line.shmem].filter((one) => one !== null).length;
    case 'stats_of':
      return Object.keys(line.values).length;
    case 'columns':
      return line.names.length;
    case 'memory':
      if (line.info.of === 'totals') return Object.keys(line.info.pages).length;
      return line.info.of === 'node' || line.info.of === 'zone' ? Object.keys(line.info.kib).length : 0;
    default:
      return 0;
  }
}

/** Removes leading quotation marks, and the parts of a JSON object before and after the message. */
export const bare = (text: string) =>
  text
    .replace(/^[\s>|+#*`"'↪…]+/, '')
    .replace(/^\{"\w+":"/, '')
    .replace(/","\w+":.*\}$|"\}$/, '');
