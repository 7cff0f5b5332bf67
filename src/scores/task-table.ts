import type { ProcessRecord } from '../linux/process-record.ts';

/** A process as the OOM killer weighs it. Kernel threads and zombies, which hold no memory, are not listed. */
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

/** All processes in one pass, whatever they are read from. */
export interface TaskTable extends Disposable {
  readonly backend: 'iterator' | 'proc';
  /** Why this backend was chosen. */
  readonly reason: string;
  /** The caller owns the result; the next call makes a new one. */
  read(): ScoredProcess[];
  close(): void;
}
