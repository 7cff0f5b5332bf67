import { processFiles } from '../linux/process-reader.ts';

/**
 * A process and those that it descends from, itself first, up to init. A process keeps its parent until that exits, so the
 * caller may read this once and keep it.
 */
export function processAncestors(pid = process.pid, proc = '/proc'): ReadonlySet<number> {
  const pids = new Set<number>();
  for (let at = pid; at > 0 && !pids.has(at); ) {
    pids.add(at);
    at = processFiles.stat(`${proc}/${at}`)?.ppid ?? 0;
  }
  return pids;
}
