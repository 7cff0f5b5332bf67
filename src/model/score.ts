/** `score.sample`: which process the OOM killer would choose, and how close it is. */
import type { Envelope } from './envelope.ts';
import type { Growth, PressureSubject } from './pressure.ts';
import type { ProcessName, ResidentMemory } from './process.ts';

/**
 * Why the kernel never chooses a process, by `oom_unkillable_task()` and `oom_badness()` in mm/oom_kill.c.
 * - `init`: it is process 1.
 * - `oom_score_adj`: its oom_score_adj is -1000.
 * - `vfork`: it still uses the memory of its parent.
 */
export type Spared = 'init' | 'oom_score_adj' | 'vfork';

/** A process, weighed for one domain: for all the memory that would run out together. */
export interface Score extends ProcessName, ResidentMemory {
  /** 1 is killed first. null: never chosen, see `spared`. */
  rank: number | null;
  /** null: the kernel may choose it. */
  spared: Spared | null;
  /** The real user id. */
  uid: number;
  /**
   * /proc/PID/oom_score. It is for the whole system, whatever the domain; an idle process has 666. null: it was not read,
   * or the process is gone.
   */
  oom_score: number | null;
  /** -1000 to 1000. */
  oom_score_adj: number;
  /** `oom_badness()`, in pages: RSS, swap and page tables, plus oom_score_adj thousandths of the domain. null: never chosen. */
  badness_pages: number | null;
  /** The same in thousandths of the domain. null: never chosen. */
  badness_per_mille: number | null;
  /** RSS, swap and page tables in thousandths of the domain: what a kill would free. */
  memory_per_mille: number;
  /** In swap. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /** Growth of RSS and swap. null: too few samples, or the process is not among the largest. */
  growth: Growth | null;
}

/** All processes of a domain were weighed as the OOM killer would. */
export interface ScoreSample extends Envelope {
  type: 'score.sample';
  /** What would run out: the system's memory, or that of the cgroup whose limit would be hit. */
  domain: PressureSubject;
  /** RAM and swap, or the limit and the swap that belongs to it. */
  domain_bytes: number;
  /** What is left of it. null: unknown. */
  available_bytes: number | null;
  /** Number of processes in the domain that the kernel would choose from. */
  candidates: number;
  /** The first of them, in the order that was asked for. */
  scores: Score[];
}
