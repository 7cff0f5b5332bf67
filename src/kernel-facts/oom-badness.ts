/**
 * Computes oom_badness() of mm/oom_kill.c, the number by which the OOM killer chooses, and the order of processes by
 * it. It does not use Node, because the log reader also runs in a browser.
 *
 * Since Linux 3.5 (a7f638f999ff) the badness is RSS + swap + page tables, in pages, + oom_score_adj / 1000 × the memory
 * that ran out. From 2.6.36 on the result was in thousandths; older kernels used another formula.
 */
import type { Spared } from '../model/score.ts';
import { isAtLeast, type KernelVersion } from './version.ts';

/** The oom_score_adj with which the kernel never chooses a process. */
export const OOM_SCORE_ADJ_MIN = -1000;

/** The oldest kernel that has these rules. */
export const OLDEST_BADNESS: KernelVersion = [3, 5];

/** The rules of oom_badness() that differ between kernels. */
export interface BadnessRules {
  /**
   * The amount that is subtracted for a process with CAP_SYS_ADMIN: up to 3.13 it is 3 % of the memory that ran out,
   * from 3.14 (778c14affaf9) to 4.16 it is 3 % of the process's own usage, and since 4.17 (d46078b28889) it is 0.
   */
  rootBonus: 'of_domain' | 'of_usage' | 'none';
  /**
   * Whether the result is at least 1, as up to 5.8. Since 5.9 (9066e5cfb73c, also in stable 5.4.y) it may be negative.
   */
  atLeastOne: boolean;
  /**
   * Of two processes with equal badness, kernels since 5.3 choose the later one in the task list, older ones the
   * earlier.
   */
  laterOfEquals: boolean;
  /**
   * Whether the kernel reads RSS inexactly. Since 6.2 RSS is a per-CPU counter (percpu_counter). Kernels 6.2 to 6.x
   * read only its shared part, which is wrong by up to max(32, 2 × CPUs) pages per CPU and kind of page; 7.0 sums all
   * CPUs.
   */
  approximate: boolean;
}

/** The rules of a kernel from 3.5 on. */
export function badnessRules(version: KernelVersion): BadnessRules {
  return {
    rootBonus: isAtLeast(version, [4, 17]) ? 'none' : isAtLeast(version, [3, 14]) ? 'of_usage' : 'of_domain',
    atLeastOne: !isAtLeast(version, [5, 9]),
    laterOfEquals: isAtLeast(version, [5, 3]),
    approximate: isAtLeast(version, [6, 2]) && !isAtLeast(version, [7, 0]),
  };
}

/** The memory that ran out, and the rules of the kernel. */
export interface BadnessDomain {
  /** RAM and swap, or the limit of a cgroup and the swap that it may use. */
  bytes: number;
  /** The page size. The kernel rounds to whole pages. With 1 nothing is rounded, and the result is in bytes. */
  pageBytes: number;
  rules: BadnessRules;
}

/** The fields of a process on which its badness depends. */
export interface BadnessInput {
  pid: number;
  /** The user id. 0 is treated as having CAP_SYS_ADMIN. null: unknown, treated as an ordinary user. */
  uid: number | null;
  oomScoreAdj: number;
  rssBytes: number;
  swapBytes: number;
  pageTablesBytes: number;
  /**
   * RSS and swap by the shared parts of the per-CPU counters. null or absent: unknown, so the exact values are used.
   */
  approximateBytes?: number | null;
  /** The process still uses its parent's memory after vfork(2). The kernel does not choose the process (in_vfork()). */
  vfork?: boolean | null;
}

/** Why the kernel never chooses this process; null if it may choose it. */
export function sparedBy({ pid, oomScoreAdj, vfork }: BadnessInput): Spared | null {
  if (pid === 1) return 'init';
  if (oomScoreAdj === OOM_SCORE_ADJ_MIN) return 'oom_score_adj';
  return vfork === true ? 'vfork' : null;
}

/** The badness in pages; null if the kernel never chooses the process. */
export function oomBadness(process: BadnessInput, { bytes, pageBytes, rules }: BadnessDomain): number | null {
  if (sparedBy(process) !== null) return null;
  const pages = (of: number) => Math.floor(of / pageBytes);
  const shared = rules.approximate ? (process.approximateBytes ?? null) : null;
  const held = shared === null ? pages(process.rssBytes) + pages(process.swapBytes) : pages(shared);
  const usage = held + pages(process.pageTablesBytes);
  const root = process.uid === 0 ? rules.rootBonus : 'none';
  const adj = process.oomScoreAdj - (root === 'of_domain' ? 30 : 0);
  const bonus = root === 'of_usage' ? Math.floor((usage * 3) / 100) : 0;
  const points = usage - bonus + adj * Math.floor(pages(bytes) / 1000);
  return rules.atLeastOne ? Math.max(1, points) : points;
}

/** A process with its badness. */
export interface Weighed {
  pid: number;
  startTicks: number;
  points: number | null;
}

/**
 * Compares live processes in the order in which kernels since 5.3 would choose them: by badness, then the younger
 * first. Processes that the kernel never chooses come last. The younger comes first because the task list begins with
 * the oldest process, and a process with equal badness replaces the earlier choice.
 */
export function byBadness(a: Weighed, b: Weighed): number {
  return compare(b.points, a.points) || b.startTicks - a.startTicks || b.pid - a.pid;
}

function compare(a: number | null, b: number | null): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  return a - b;
}
