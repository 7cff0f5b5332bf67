import type { ProcessRecord } from '../linux/process-record.ts';

/**
 * The fields of a process that the ranking uses. Kernel threads and zombies are left out, because they hold no memory.
 */
export type ScoredProcess = Pick<
  ProcessRecord,
  | 'pid'
  | 'startTicks'
  | 'ppid'
  | 'uid'
  | 'comm'
  | 'threads'
  | 'oomScoreAdj'
  | 'totalVmBytes'
  | 'rssBytes'
  | 'anonBytes'
  | 'fileBytes'
  | 'shmemBytes'
  | 'swapBytes'
  | 'pageTablesBytes'
  | 'approximateBytes'
  | 'exact'
  | 'vfork'
  | 'cgroup'
  | 'cgroupId'
>;

/** Reads all processes in one pass, by a BPF iterator or from /proc. */
export interface TaskTable extends Disposable {
  readonly backend: 'iterator' | 'proc';
  /** Why this backend was chosen. */
  readonly reason: string;
  /** Reads the processes. The caller owns the result: later calls do not change it. */
  read(): ScoredProcess[];
  close(): void;
}
