/**
 * Processes that nobody is to signal, whatever a policy says.
 */
import { readIfPresent } from '../linux/capabilities.ts';
import { PF_KTHREAD } from '../linux/proc-stat.ts';

/** This process and those it descends from. They do not change but by dying: read once. */
export function lineage(pid = process.pid, proc = '/proc'): ReadonlySet<number> {
  const pids = new Set<number>();
  for (let at = pid; at > 0 && !pids.has(at); ) {
    pids.add(at);
    at = Number(statFields(at, proc)?.[1] ?? 0);
  }
  return pids;
}

/** Why this process must not be signalled; undefined where it may. */
export function neverSignal(pid: number, own: ReadonlySet<number>, proc = '/proc'): string | undefined {
  if (pid === 1) return 'it is init';
  if (own.has(pid)) return pid === process.pid ? 'it is oomscope itself' : 'oomscope descends from it';
  const flags = Number(statFields(pid, proc)?.[6] ?? 0);
  if (flags & PF_KTHREAD) return 'it is a kernel thread';
  if (readIfPresent(`${proc}/${pid}/oom_score_adj`)?.trim() === '-1000') return 'its oom_score_adj is -1000';
  return undefined;
}

/** Of /proc/PID/stat, from the third field on. */
function statFields(pid: number, proc: string): string[] | undefined {
  const text = readIfPresent(`${proc}/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}
