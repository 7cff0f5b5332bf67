import { readdirSync } from 'node:fs';
import { readIfPresent } from '../linux/capabilities.ts';

const PF_KTHREAD = 0x00200000; // include/linux/sched.h

/** Their names. A kernel that shows none (a container's view) has none. */
export function kernelThreadNames(): string[] {
  return readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? readIfPresent(`/proc/${name}/stat`) : undefined;
    const flags = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[6] ?? 0);
    return stat && flags & PF_KTHREAD ? [stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))] : [];
  });
}
