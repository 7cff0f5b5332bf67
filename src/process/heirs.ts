/**
 * A process inherits the oom_score_adj of its parent (copy_signal() in kernel/fork.c). What a process has started while its
 * value was raised keeps the raised value, unless that is restored as well.
 */
import { pidsIn, processFiles } from '../linux/process-reader.ts';
import { OomscopeError } from '../model/error.ts';
import { ScoreAdjFile } from './oom-score-adj-file.ts';

/** A change of the value of a process. */
interface Raised {
  pid: number;
  /** Its process group. undefined: unknown. */
  pgid?: number;
  /** The uptime at the change, in ticks. undefined: unknown, and no heir is looked for. */
  at_ticks?: number;
  before: string;
}

/**
 * Restores the value of every process that has inherited it: it started after the change, is a descendant of the process or
 * in its process group, and has a value that was written. Call it after the process itself was restored, so that it has no
 * more heirs. A heir that may not be written to is left.
 *
 * @returns their pids
 */
export function restoreHeirs({ pid, pgid, at_ticks, before }: Raised, written: ReadonlySet<string>): number[] {
  if (at_ticks === undefined) return [];
  const younger = [...pidsIn('/proc')]
    .flatMap((each) => {
      const stat = processFiles.stat(`/proc/${each}`);
      return stat && stat.startTicks >= at_ticks && !stat.kernelThread ? [{ ...stat, pid: each }] : [];
    })
    .sort((a, b) => a.startTicks - b.startTicks);
  const descendants = new Set([pid]);
  const restored: number[] = [];
  for (const each of younger) {
    const isDescendant = descendants.has(each.ppid);
    if (isDescendant) descendants.add(each.pid);
    if (!isDescendant && each.pgid !== pgid) continue;
    if (restore(each, before, written)) restored.push(each.pid);
  }
  return restored;
}

function restore(identity: { pid: number; startTicks: number }, before: string, written: ReadonlySet<string>): boolean {
  try {
    using file = ScoreAdjFile.open(identity);
    if (!written.has(String(file.read()))) return false;
    file.write(Number(before));
    return true;
  } catch (error) {
    if (error instanceof OomscopeError) return false;
    throw error;
  }
}
