/** Suggestions for a shortage of memory. oomscope itself acts on them only if an option asks it to. */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { PressureSubject } from './pressure.ts';
import type { ProcessName } from './process.ts';

/** A process that would free memory if it exited. */
export interface EndCandidate extends ProcessName {
  /** The oom_score_adj, -1000 to 1000. */
  oom_score_adj: number;
  /**
   * The kernel's measure, oom_badness(), in bytes: RSS + swap + page tables + oom_score_adj / 1000 × the limit that is
   * reached (or RAM and swap).
   */
  badness_bytes: number;
  /**
   * The most memory that the exit of the process can free: anonymous pages and page tables. Pages that the process
   * shares with another process are not freed. Pages of files and shared memory are not counted.
   */
  returns_bytes: number;
  /** The most swap that its exit can free. */
  returns_swap_bytes: number;
  /** The share of the shortage that its exit cures, 0 to 1: `returns_bytes` of `needed_bytes`. */
  cures: number;
  /** How fast RSS and swap grow. null: there are too few samples. */
  growth_bytes_per_second: number | null;
  /** Why this process is suggested, in words. */
  reason: string;
}

/**
 * Why a process is not suggested.
 * - `init`: it is process 1.
 * - `self`: it is oomscope.
 * - `ancestor`: it is the parent of oomscope or another ancestor.
 * - `spared`: its oom_score_adj is -1000.
 */
export type NotSuggestedReason = 'init' | 'self' | 'ancestor' | 'spared';

/** A large process that must not be ended, so that oomscope does not suggest it. */
export interface NotSuggested {
  /** The process id. */
  pid: number;
  /** The name of the process. */
  comm: string;
  /** Why oomscope does not suggest the process. */
  reason: NotSuggestedReason;
  /** Resident memory. */
  rss_bytes: number;
}

/** The level is `critical`: oomscope suggests which processes to end. */
export interface MemorySuggestion extends Envelope {
  type: 'memory.suggestion';
  /** The system or cgroup that is short of memory. */
  subject: PressureSubject;
  /** The `id` of the event that caused this one. */
  because_id: string;
  /** The size of the shortage: with this much memory freed, a fifth of the limit is free. */
  needed_bytes: number;
  /**
   * At most three processes, in the order in which the kernel would kill them. A process that holds less than a tenth of
   * `needed_bytes` is not a candidate.
   */
  candidates: EndCandidate[];
  /** Processes that would be candidates if they could be ended. */
  excluded: NotSuggested[];
  /** Measures that oomscope does not suggest, and why, in words. */
  not_offered: string;
}

/** oomscope reclaimed memory from a cgroup, because `--reclaim` was given. */
export interface MemoryReclaimed extends Envelope, CgroupOwner {
  type: 'memory.reclaimed';
  /** Path of the cgroup. */
  cgroup: string;
  /** The `id` of the event that caused this one. */
  because_id: string;
  /** How much memory the kernel was asked to reclaim. */
  asked_bytes: number;
  /** The usage before. null: it could not be read. */
  before_bytes: number | null;
  /** The usage afterwards. null: it could not be read. */
  after_bytes: number | null;
  /** The result. `less`: the kernel reclaimed less than it was asked to. */
  outcome: 'done' | 'less' | 'failed';
  /** The error of the kernel. null: there was no error. */
  detail: string | null;
}
