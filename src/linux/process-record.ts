/** The fields of a process that /proc and the BPF iterator provide. Each reader fills a part of a ProcessRecord. */

/** All fields of a process that oomscope can read. Sizes are in bytes. */
export interface ProcessRecord {
  pid: number;
  /** The start time in clock ticks since boot: field 22 of /proc/PID/stat. With the pid it identifies the process. */
  startTicks: number;
  ppid: number;
  /** The id of the process group. */
  pgid: number;
  /** The real user id, as in the kernel's log. */
  uid: number;
  /** The pid in the process's own pid namespace. null: that is the namespace of /proc. */
  innerPid: number | null;
  /** The name, at most 15 bytes. The process can choose it, so it is not safe to print. */
  comm: string;
  /** The path of the program. null: there is none (a kernel thread), or oomscope may not read it. */
  exe: string | null;
  /** The command line. The process can change it, so it is not safe to print. */
  args: string[];
  /** The state: one of the letters R, S, D, Z, T, t, X, I. */
  state: string;
  threads: number;
  kernelThread: boolean;
  /**
   * The address at which the stack of the program began: it is another after each execve(2), and the same in children of
   * fork(2). 0: it is that of another user (fs/proc/array.c: do_task_stat()). null: the BPF iterator does not have it.
   */
  stackStart: number | null;
  /** The process is in do_exit(), or is a zombie. */
  exiting: boolean;
  /** SIGKILL was sent and has not been delivered. */
  killPending: boolean;
  /** false for a kernel thread and for a zombie: all sizes are 0. */
  hasMemory: boolean;
  totalVmBytes: number;
  /** The sum of anonBytes, fileBytes and shmemBytes. From /proc of Linux 6.2 to 6.x it is approximate. */
  rssBytes: number;
  anonBytes: number;
  fileBytes: number;
  shmemBytes: number;
  swapBytes: number;
  pageTablesBytes: number;
  /**
   * RSS and swap without the per-CPU parts of the counters. Some kernels choose by it. null: /proc does not have it.
   */
  approximateBytes: number | null;
  /** The per-CPU counters were summed, so the sizes are exact. */
  exact: boolean;
  oomScoreAdj: number;
  /** The kernel's own /proc/PID/oom_score. */
  oomScore: number;
  /** The process was made by vfork(2) and still uses its parent's memory. null: /proc does not have it. */
  vfork: boolean | null;
  /** The path of the memory cgroup. null: unknown. */
  cgroup: string | null;
  /** The id of the memory cgroup: the inode number of its directory. null: unknown. */
  cgroupId: string | null;
}

/** The fields that identify a process. The kernel reuses a pid, but not within one clock tick. */
export type ProcessIdentity = Pick<ProcessRecord, 'pid' | 'startTicks'>;

/** The fields that each file of /proc/PID gives. */
export interface FieldsByFile {
  stat:
    | 'comm'
    | 'state'
    | 'ppid'
    | 'pgid'
    | 'threads'
    | 'startTicks'
    | 'rssBytes'
    | 'stackStart'
    | 'kernelThread'
    | 'exiting';
  status:
    | 'uid'
    | 'innerPid'
    | 'totalVmBytes'
    | 'rssBytes'
    | 'anonBytes'
    | 'fileBytes'
    | 'shmemBytes'
    | 'pageTablesBytes'
    | 'swapBytes'
    | 'hasMemory'
    | 'killPending';
  /** Only the swapped memory from the file status, which takes half the time to parse. */
  swap: 'swapBytes';
  comm: 'comm';
  cmdline: 'args';
  exe: 'exe';
  cgroup: 'cgroup';
  oom_score: 'oomScore';
  oom_score_adj: 'oomScoreAdj';
}

/** A file, or a link, in /proc/PID. */
export type ProcessFile = keyof FieldsByFile;
/** The fields that some files of a process contain. */
export type ProcessFields<F extends ProcessFile> = Pick<ProcessRecord, FieldsByFile[F]>;
