/**
 * A process inherits the oom_score_adj of its parent (copy_signal() in kernel/fork.c). What a process has started while its
 * value was raised keeps the raised value, unless that is restored as well.
 */
import { pidsIn, processFiles } from '../linux/process-reader.ts';
import type { ProcessIdentity } from '../linux/process-record.ts';
import { OomscopeError } from '../model/error.ts';
import { isWithin } from '../text/cgroup-path.ts';
import { ScoreAdjFile } from './oom-score-adj-file.ts';

/** A change of the value of a process. What is unknown of the process is undefined. */
interface Raised {
  pid: number;
  /** Its process group. */
  pgid?: number;
  /** Its memory cgroup. */
  cgroup?: string;
  /** Its ancestors up to init. */
  ancestors?: readonly number[];
  /** The uptime at the change, in ticks. undefined: no heir is looked for. */
  at_ticks?: number;
  before: string;
}

interface Search {
  /** All values that were written. */
  written: ReadonlySet<string>;
  /** Whether the value of this process was changed, too, and will be restored by itself. */
  isChanged?: (identity: ProcessIdentity) => boolean;
}

/**
 * Restores the value of every process that has inherited it: it started after the change, has a value that was written,
 * and is a descendant of the process, in its process group, or an orphan of its memory cgroup. Call it after the process
 * itself was restored, so that it has no more heirs. A heir that may not be written to is left.
 *
 * An orphan is a process whose parent is now an ancestor of the process: a daemon forks twice, has a process group of its
 * own, and its parents have exited. The kernel gives a child of a process that exits to one of the ancestors of that
 * process (find_new_reaper() in kernel/exit.c).
 *
 * @returns their pids
 */
export function restoreHeirs(raised: Raised, { written, isChanged = () => false }: Search): number[] {
  const { pid, pgid, ancestors, at_ticks, before } = raised;
  if (at_ticks === undefined) return [];
  const younger = [...pidsIn('/proc')]
    .flatMap((each) => {
      const stat = processFiles.stat(`/proc/${each}`);
      return stat && stat.startTicks >= at_ticks && !stat.kernelThread ? [{ ...stat, pid: each }] : [];
    })
    .sort((a, b) => a.startTicks - b.startTicks);
  const family = new Set([pid]);
  const restored: number[] = [];
  for (const each of younger) {
    const isDescendant = family.has(each.ppid);
    if (isDescendant) family.add(each.pid);
    const mayBeOrphan = ancestors?.includes(each.ppid) === true && isIn(raised.cgroup, each.pid);
    if (!(isDescendant || each.pgid === pgid || mayBeOrphan) || isChanged(each)) continue;
    if (!restore(each, before, written)) continue;
    family.add(each.pid); // an orphan has children, too
    restored.push(each.pid);
  }
  return restored;
}

function isIn(cgroup: string | undefined, pid: number): boolean {
  const now = processFiles.cgroup(`/proc/${pid}`)?.cgroup ?? null;
  return cgroup !== undefined && (now === cgroup || (cgroup !== '/' && isWithin(now, cgroup)));
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
