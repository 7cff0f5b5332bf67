import { readFileSync } from 'node:fs';

/** SCHED_FIFO and SCHED_RR of include/uapi/linux/sched.h. */
const REALTIME = ['1', '2'];
/** Of /proc/PID/stat, counted from the field after the command's name: proc_pid_stat(5), field 41. */
const POLICY = 38;

/** Whether the main thread of a process runs at real-time priority. @param stat the text of its /proc/PID/stat */
export function isRealtime(stat = readFileSync('/proc/self/stat', 'latin1')): boolean {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return REALTIME.includes(fields[POLICY] ?? '');
}
