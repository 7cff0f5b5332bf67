/** The processes as the OOM killer would weigh them: what every backend gives. */

/** A process. Kernel threads and zombies, which hold no memory, are not listed. */
export interface TaskEntry {
  pid: number;
  ppid: number;
  uid: number;
  comm: string;
  /** Since boot, in clock ticks: field 22 of /proc/PID/stat. */
  startTicks: number;
  threads: number;
  oomScoreAdj: number;
  totalVmBytes: number;
  anonBytes: number;
  fileBytes: number;
  shmemBytes: number;
  swapBytes: number;
  pageTableBytes: number;
  /** Its memory is its parent's until it executes something: the kernel does not choose it. null: /proc does not say. */
  vfork: boolean | null;
  /** The counters were summed over all CPUs. */
  exact: boolean;
  /** RSS and swap by the shared part of the counters alone, which some kernels choose by. null: not known. */
  approximateBytes: number | null;
  /** Of its memory cgroup: the inode of the group's directory. null: not known. */
  cgroupId: string | null;
  /** Path of its memory cgroup, where that is known without looking for it. */
  cgroup: string | null;
}

export interface TaskTable extends Disposable {
  readonly backend: 'iterator' | 'proc';
  /** Why it is that one. */
  readonly reason: string;
  /** One pass. */
  read(): TaskEntry[];
  close(): void;
}
