import { readSmallFile } from '../linux/small-file.ts';

/**
 * Whether /proc shows the pid namespace of this process. If it shows another one, its pids do not name the processes
 * that kill(2) and pidfd_open(2) of this process reach.
 *
 * @returns what is wrong, as the end of a sentence; undefined: /proc is the right one
 */
export function foreignProc(proc = '/proc', pid = process.pid): string | undefined {
  const status = readSmallFile(`${proc}/self/status`)?.toString('latin1');
  if (status === undefined) return `${proc} does not show this process: it is that of another pid namespace`;
  // One number for each namespace, from that of /proc to the process's own (fs/proc/array.c: task_state()).
  const pids = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/).map(Number) ?? [pid];
  if (pids.length === 1 && pids[0] === pid) return undefined;
  return `${proc} is that of another pid namespace: this process is ${pid} in its own and ${pids[0]} in ${proc}`;
}
