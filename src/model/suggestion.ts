/**
 * What could be done about memory that runs out: said, never done unasked.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { PressureSubject } from './pressure.ts';

/** A process that could be ended. */
export interface EndCandidate extends CgroupOwner {
  pid: number;
  start_ticks: number;
  comm: string;
  cgroup: string | null;
  oom_score_adj: number;
  /** As the kernel would rate it: RSS, swap and page tables, plus oom_score_adj thousandths of what runs out. */
  badness_bytes: number;
  /**
   * Memory that its end would give back: anonymous pages and page tables. The most it can be: what it shares with a process
   * that lives on stays. Files and shared memory are not in it.
   */
  returns_bytes: number;
  returns_swap_bytes: number;
  growth_bytes_per_second: number | null;
  /** Why this one. */
  reason: string;
}

/** - `spared`: its oom_score_adj is -1000. - `self`: oomscope. - `ancestor`: what oomscope was started from. */
export type NotSuggestedReason = 'init' | 'self' | 'ancestor' | 'spared';

export interface NotSuggested {
  pid: number;
  comm: string;
  reason: NotSuggestedReason;
  rss_bytes: number;
}

/** At critical: whom it would help to end. The kernel would take the first; people may know better. */
export interface MemorySuggestion extends Envelope {
  type: 'memory.suggestion';
  subject: PressureSubject;
  /** Of the event that it is said for. */
  because_id: string;
  /** The kernel's order, the most likely victim first: at most three. */
  candidates: EndCandidate[];
  /** Who would be among them if they might be ended. */
  excluded: NotSuggested[];
  /** What is not offered, and why. */
  not_offered: string;
}

/** Memory was reclaimed from a cgroup, as asked for. */
export interface MemoryReclaimed extends Envelope, CgroupOwner {
  type: 'memory.reclaimed';
  cgroup: string;
  because_id: string;
  asked_bytes: number;
  /** Usage before and after; null: not readable. */
  before_bytes: number | null;
  after_bytes: number | null;
  /** `less`: the kernel could not find as much. */
  outcome: 'done' | 'less' | 'failed';
  detail: string | null;
}
