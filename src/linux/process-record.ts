/** A process as /proc and the BPF iterator show it. Each reader fills a part of one ProcessRecord. */

/** Everything that the program may know of a process. Sizes are in bytes. */
export interface ProcessRecord {
  pid: number;
  /** When it started, in clock ticks since boot: field 22 of /proc/PID/stat. With the pid it identifies the process. */
  startTicks: number;
  ppid: number;
  /** Its process group. */
  pgid: number;
  /** Its real user, as in the kernel’s log. */
  uid: number;
  /** At most 15 bytes, chosen by the process: not safe to print. */
  comm: string;
  /** The path of its program. null: it has none, or this process may not read it. */
  exe: string | null;
  /** Its command line, not safe to print. */
  args: string[];
  /** A letter: R, S, D, Z, T, t, X, I. */
  state: string;
  threads: number;
  kernelThread: boolean;
  /** It runs do_exit(), or is a zombie. */
  exiting: boolean;
  /** SIGKILL was sent and has not been delivered. */
  killPending: boolean;
  /** false for a kernel thread and for a zombie: all sizes are 0. */
  hasMemory: boolean;
  totalVmBytes: number;
  /** anonBytes, fileBytes and shmemBytes together. In 6.2 to 6.x the kernel's approximate count. */
  rssBytes: number;
  anonBytes: number;
  fileBytes: number;
  shmemBytes: number;
  swapBytes: number;
  pageTablesBytes: number;
  /** RSS and swap by the shared part of the counters alone, by which some kernels choose. null: /proc does not say. */
  approximateBytes: number | null;
  /** The counters were summed over all CPUs. */
  exact: boolean;
  oomScoreAdj: number;
  /** The kernel's own /proc/PID/oom_score. */
  oomScore: number;
  /** It uses its parent's memory until it calls exec. null: /proc does not say. */
  vfork: boolean | null;
  /** The path of its memory cgroup. null: not known. */
  cgroup: string | null;
  /** The inode of that cgroup's directory. null: not known. */
  cgroupId: string | null;
}

/** What identifies a process for good: a pid is used again, but not within one clock tick. */
export type ProcessIdentity = Pick<ProcessRecord, 'pid' | 'startTicks'>;

/** The fields that each file of /proc/PID gives. */
export interface FieldsByFile {
  stat: 'comm' | 'state' | 'ppid' | 'pgid' | 'threads' | 'startTicks' | 'rssBytes' | 'kernelThread' | 'exiting';
  status:
    | 'uid'
    | 'totalVmBytes'
    | 'rssBytes'
    | 'anonBytes'
    | 'fileBytes'
    | 'shmemBytes'
    | 'pageTablesBytes'
    | 'swapBytes'
    | 'hasMemory'
    | 'killPending';
  /** Of status, only the swapped memory: half the work. */
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
/** What some files say of a process. */
export type ProcessFields<F extends ProcessFile> = Pick<ProcessRecord, FieldsByFile[F]>;
