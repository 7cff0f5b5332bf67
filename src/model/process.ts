/** The fields that identify a process in an event. */
import type { CgroupOwner } from './container.ts';

/** The identity of a process. The kernel reuses a pid, but not for a process with the same start time. */
export interface ProcessId {
  /** The process id (of the thread group) in the initial pid namespace. */
  pid: number;
  /** When the process started, in clock ticks (1/100 s) since boot: field 22 of /proc/PID/stat. */
  start_ticks: number;
}

/** A process and the cgroup that it is in. */
export interface ProcessName extends ProcessId, CgroupOwner {
  /**
   * The name of the main thread, at most 15 bytes. The process can change it. U+FFFD replaces bytes that are not UTF-8.
   */
  comm: string;
  /** The path of the process's memory cgroup. null: unknown. */
  cgroup: string | null;
}

/** The resident memory of a process, in bytes. */
export interface ResidentMemory {
  /** Resident memory: anonymous, file and shared pages together. */
  rss_bytes: number;
  /** Resident anonymous pages: heap and stacks. */
  anon_rss_bytes: number;
  /** Resident pages of files, the program itself among them. */
  file_rss_bytes: number;
  /** Resident shared memory: tmpfs, shmget(2), shared anonymous mappings. */
  shmem_rss_bytes: number;
}
