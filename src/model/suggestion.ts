/** What could be done about memory that runs out. oomscope suggests it; it acts only if it is told to. */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { PressureSubject } from './pressure.ts';
import type { ProcessName } from './process.ts';

/** A process that would free memory if it ended. */
export interface EndCandidate extends ProcessName {
  /** -1000 to 1000. */
  oom_score_adj: number;
  /**
   * The kernel's measure (oom_badness()): RSS, swap and page tables, plus oom_score_adj thousandths of the limit that is reached,
   * or of RAM and swap.
   */
  badness_bytes: number;
  /**
   * The most memory that its end can free: anonymous pages and page tables. What it shares with a process that lives on
   * stays. Files and shared memory are not counted.
   */
  returns_bytes: number;
  /** The most swap that its end can free. */
  returns_swap_bytes: number;
  /** null: there are too few samples. */
  growth_bytes_per_second: number | null;
  /** Why this process, in words. */
  reason: string;
}

/**
 * Why a process is not suggested.
 * - `init`: it is process 1.
 * - `self`: it is oomscope.
 * - `ancestor`: oomscope was started from it.
 * - `spared`: its oom_score_adj is -1000.
 */
export type NotSuggestedReason = 'init' | 'self' | 'ancestor' | 'spared';

/** A process that oomscope would suggest if ending it were allowed. */
export interface NotSuggested {
  /** The process id. */
  pid: number;
  /** The name of the process. */
  comm: string;
  /** Why it is not suggested. */
  reason: NotSuggestedReason;
  /** Resident memory. */
  rss_bytes: number;
}

/** Memory is at the level `critical`: these processes would help the most by ending. The kernel would kill the first. */
export interface MemorySuggestion extends Envelope {
  type: 'memory.suggestion';
  /** What is short of memory: the system or a cgroup. */
  subject: PressureSubject;
  /** The `id` of the event that led to it. */
  because_id: string;
  /** At most three, in the order of the kernel. */
  candidates: EndCandidate[];
  /** Processes that would be candidates if ending them were allowed. */
  excluded: NotSuggested[];
  /** What oomscope does not suggest, and why. */
  not_offered: string;
}

/** Memory was reclaimed from a cgroup, as `--reclaim` asks for. */
export interface MemoryReclaimed extends Envelope, CgroupOwner {
  type: 'memory.reclaimed';
  /** Path of the cgroup. */
  cgroup: string;
  /** The `id` of the event that led to it. */
  because_id: string;
  /** What the kernel was asked to reclaim. */
  asked_bytes: number;
  /** Usage before. null: it could not be read. */
  before_bytes: number | null;
  /** Usage afterwards. null: it could not be read. */
  after_bytes: number | null;
  /** `less`: the kernel reclaimed less than it was asked to. */
  outcome: 'done' | 'less' | 'failed';
  /** The error of the kernel. null: there was none. */
  detail: string | null;
}
