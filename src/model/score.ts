/** The event `score.sample`: which process the OOM killer would choose now. */
import type { Envelope } from './envelope.ts';
import type { Growth, PressureSubject } from './pressure.ts';
import type { ProcessName, ResidentMemory } from './process.ts';

/**
 * Why the kernel never chooses a process (`oom_unkillable_task()` and `oom_badness()` in mm/oom_kill.c).
 * - `init`: the process is process 1.
 * - `oom_score_adj`: its oom_score_adj is -1000.
 * - `vfork`: it was created by vfork(2) and still uses the memory of its parent.
 */
export type Spared = 'init' | 'oom_score_adj' | 'vfork';

/** A process and its badness in one domain. A domain is memory that runs out together: the system's or a cgroup's. */
export interface Score extends ProcessName, ResidentMemory {
  /** The rank: the kernel kills rank 1 first. null: the kernel never chooses the process, see `spared`. */
  rank: number | null;
  /** Why the kernel never chooses the process. null: the kernel may choose it. */
  spared: Spared | null;
  /** The real user id. */
  uid: number;
  /**
   * The number in /proc/PID/oom_score, which always refers to the whole system. A process that uses almost no memory
   * and has an oom_score_adj of 0 has 666. null: it was not read, or the process has exited.
   */
  oom_score: number | null;
  /** The oom_score_adj, -1000 to 1000. */
  oom_score_adj: number;
  /** `oom_badness()`, in pages: RSS + swap + page tables + oom_score_adj / 1000 × the domain. null: see `spared`. */
  badness_pages: number | null;
  /** The badness in thousandths of the domain. null: see `spared`. */
  badness_per_mille: number | null;
  /** RSS, swap and page tables in thousandths of the domain. */
  memory_per_mille: number;
  /** Swapped memory. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /** Growth of RSS and swap. null: there are too few samples, or the process is not among the 256 largest. */
  growth: Growth | null;
}

/** A ranking of the processes of one domain, in the order in which the OOM killer would choose them. */
export interface ScoreSample extends Envelope {
  type: 'score.sample';
  /** The domain: the system, or the cgroup whose limit would be hit. */
  domain: PressureSubject;
  /** The size of the domain: RAM and swap, or the limit of the cgroup and the swap that it may use. */
  domain_bytes: number;
  /** The memory that is left in the domain. null: unknown. */
  available_bytes: number | null;
  /** The number of processes in the domain that the kernel would choose from. */
  candidates: number;
  /** The first processes of the ranking, or of the order given by the option `sort`. */
  scores: Score[];
}
