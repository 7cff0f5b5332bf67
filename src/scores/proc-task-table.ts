import { pidsIn, processFiles } from '../linux/process-reader.ts';
import type { ScoredProcess, TaskTable } from './task-table.ts';

/** Reads the processes from /proc: three files for each process, and a fourth when its `cgroup` is accessed. */
export class ProcTaskTable implements TaskTable {
  readonly backend = 'proc';
  readonly reason: string;
  readonly #proc: string;

  constructor(proc: string, reason: string) {
    this.#proc = proc;
    this.reason = reason;
  }

  read(): ScoredProcess[] {
    const entries: ScoredProcess[] = [];
    for (const pid of pidsIn(this.#proc)) {
      const entry = this.#read(pid);
      if (entry) entries.push(entry);
    }
    return entries;
  }

  close(): void {}
  [Symbol.dispose](): void {}

  /** undefined: the process has exited, or has no memory. */
  #read(pid: number): ScoredProcess | undefined {
    const directory = `${this.#proc}/${pid}`;
    const stat = processFiles.stat(directory);
    if (!stat || stat.kernelThread) return undefined;
    const status = processFiles.status(directory);
    const adj = status?.hasMemory ? processFiles.oom_score_adj(directory) : undefined;
    if (!status || !adj) return undefined;
    let cgroup: string | null | undefined;
    return {
      pid,
      startTicks: stat.startTicks,
      ppid: stat.ppid,
      uid: status.uid,
      comm: stat.comm,
      threads: stat.threads,
      oomScoreAdj: adj.oomScoreAdj,
      totalVmBytes: status.totalVmBytes,
      rssBytes: status.rssBytes,
      anonBytes: status.anonBytes,
      fileBytes: status.fileBytes,
      shmemBytes: status.shmemBytes,
      swapBytes: status.swapBytes,
      pageTablesBytes: status.pageTablesBytes,
      vfork: null,
      exact: false,
      approximateBytes: null,
      cgroupId: null,
      get cgroup() {
        cgroup ??= processFiles.cgroup(directory)?.cgroup ?? null;
        return cgroup;
      },
    };
  }
}
