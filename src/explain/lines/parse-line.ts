/**
 * Parses one line of an OOM report. The patterns follow the kernel's format strings from 2.6.32 to 7.x: mm/oom_kill.c,
 * mm/memcontrol.c, mm/show_mem.c (mm/page_alloc.c, lib/show_mem.c), kernel/printk, lib/dump_stack.c.
 *
 * A process name may contain any byte, so a pattern ends it at the *last* place where the rest of the line still
 * matches.
 */
import { figures, members } from './cgroup-lines.ts';
import { isSound } from './digits.ts';
import { asker, invoked, stack } from './head-lines.ts';
import { cuts, endings, kills } from './kill-lines.ts';
import { parseMemoryLine } from './memory-lines.ts';
import type { LineKind, ParsedLine } from './parsed-line.ts';
import { rows, title } from './task-lines.ts';

/** The first kind that recognises a line reads it. Rows of the task table come first, because most lines are rows. */
const KINDS: readonly LineKind[] = [
  ...rows,
  invoked,
  ...kills,
  ...figures,
  title,
  ...members,
  ...asker,
  ...endings,
  ...stack,
];

/** include/linux/threads.h: PID_MAX_LIMIT. */
const MOST_PID = 4 * 1024 * 1024;
const MOST_ORDER = 64;

/** undefined: the line does not belong to an OOM report, or it has a number that no kernel can have printed. */
export function parseLine(text: string): ParsedLine | undefined {
  const line = recognise(text);
  return line && isSound(line) && believable(line) ? line : undefined;
}

function first(kinds: readonly LineKind[], text: string): ParsedLine | undefined {
  for (const { likely, pattern, read } of kinds) {
    if (likely && !likely(text)) continue;
    const match = pattern.exec(text);
    const line = match && read(match.groups ?? {});
    if (line) return line;
  }
  return undefined;
}

function recognise(text: string): ParsedLine | undefined {
  const line = first(KINDS, text);
  if (line) return line;
  const info = parseMemoryLine(text);
  if (info) return { is: 'memory', info };
  return first(cuts, text);
}

/** True for a line that looks like an important line of a report: when parsing it fails, the reader gives a warning. */
export function looksImportant(text: string): boolean {
  return / invoked oom-killer:|^oom-kill:constraint=|^(?:[^:]*[Oo]ut of memory[^:]*: )?Kill(?:ed)? process |^oom_reaper: reaped/.test(
    text,
  );
}

/** False when a pid, an oom_score_adj or an order is outside the kernel's range. */
function believable(line: ParsedLine): boolean {
  if ('pid' in line && line.pid !== null && line.pid > MOST_PID) return false;
  if ('adj' in line && line.adj !== null && Math.abs(line.adj) > 1000) return false;
  return !(line.is === 'invoked' && line.order !== null && (line.order < -1 || line.order > MOST_ORDER));
}
