import { pidsIn, readProcess } from '../linux/process-reader.ts';
import type { ProcessRecord } from '../linux/process-record.ts';

/** The fields of a process that the doctor's checks need. */
export type DoctorProcess = Pick<ProcessRecord, 'pid' | 'comm' | 'args' | 'oomScoreAdj' | 'rssBytes'>;

/** All processes except kernel threads and zombies, which have no memory. */
export function listProcesses(root = ''): DoctorProcess[] {
  const proc = `${root}/proc`;
  return [...pidsIn(proc)].flatMap((pid) => {
    const found = readProcess(pid, ['oom_score_adj', 'status', 'comm', 'cmdline'], proc);
    return found?.hasMemory ? [found] : [];
  });
}
