import { processFiles } from '../linux/process-reader.ts';

/**
 * The pids of a process and of its ancestors up to init, the process itself first. The parent of a process changes only
 * when the parent exits, so the caller may keep the result.
 */
export function processAncestors(pid = process.pid, proc = '/proc'): ReadonlySet<number> {
  const pids = new Set<number>();
  for (let at = pid; at > 0 && !pids.has(at); ) {
    pids.add(at);
    at = processFiles.stat(`${proc}/${at}`)?.ppid ?? 0;
  }
  return pids;
}
