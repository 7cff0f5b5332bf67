/** Who the OOM killer would choose: the processes by badness, and how close they are. */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { Growth, PressureSubject } from './pressure.ts';

/** Why the kernel never chooses a process: `oom_unkillable_task()` and `oom_badness()` in mm/oom_kill.c. */
export type Spared = 'init' | 'oom_score_adj' | 'vfork';

/** A process, weighed for one domain: all that would run out together. */
export interface Score extends CgroupOwner {
  /** 1 is killed first. null: never chosen, see `spared`. */
  rank: number | null;
  spared: Spared | null;
  pid: number;
  start_ticks: number;
  uid: number;
  comm: string;
  cgroup: string | null;
  /** /proc/PID/oom_score: for the whole system, whatever the domain; 666 is an idle process. null: it was not asked for, or is gone. */
  oom_score: number | null;
  oom_score_adj: number;
  /** `oom_badness()`: RSS, swap and page tables, plus oom_score_adj thousandths of the domain. */
  badness_pages: number | null;
  /** The same in thousandths of the domain. */
  badness_per_mille: number | null;
  /** RSS, swap and page tables in thousandths of the domain: what a kill would give back. */
  memory_per_mille: number;
  rss_bytes: number;
  anon_rss_bytes: number;
  file_rss_bytes: number;
  shmem_rss_bytes: number;
  swap_bytes: number;
  page_tables_bytes: number;
  /** RSS and swap. null: not looked at for long enough. */
  growth: Growth | null;
}

/** One look at all processes. */
export interface ScoreSample extends Envelope {
  type: 'score.sample';
  /** Whose memory runs out: the system's, or that of the cgroup whose limit would be hit. */
  domain: PressureSubject;
  /** RAM and swap, or the limit and the swap that goes with it. */
  domain_bytes: number;
  /** What is left of it. null: not known. */
  available_bytes: number | null;
  /** Processes in the domain that the kernel would choose from. */
  candidates: number;
  /** The first of them. */
  scores: Score[];
}
