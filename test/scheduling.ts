import { readFileSync } from 'node:fs';

/** Nice value, real-time priority and policy (SCHED_*) of a thread: fields 19, 40 and 41 of its stat. */
export function schedulingOf(tid: number) {
  const stat = readFileSync(`/proc/${tid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { nice: Number(fields[16]), priority: Number(fields[37]), policy: Number(fields[38]) };
}
