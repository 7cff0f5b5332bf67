/**
 * oom_badness() of mm/oom_kill.c: the number by which the OOM killer chooses, and the order that follows from it. Pure, and
 * without Node, because the reader of kernel logs also runs in a browser.
 *
 * RSS, swap and page tables in pages, plus oom_score_adj thousandths of the memory that ran out. So since Linux 3.5
 * (a7f638f999ff); from 2.6.36 on the result was in thousandths, and before that it was another function.
 */
import type { Spared } from '../model/score.ts';
import { isAtLeast, type KernelVersion } from './version.ts';

/** OOM_SCORE_ADJ_MIN: the kernel never chooses a process that has it. */
export const OOM_SCORE_ADJ_MIN = -1000;

/** The kernel that these rules begin with. */
export const OLDEST_BADNESS: KernelVersion = [3, 5];

/** What changed between kernels. */
export interface BadnessRules {
  /**
   * What a process with CAP_SYS_ADMIN has taken off: up to 3.13 thirty thousandths of the memory that ran out, from 3.14
   * (778c14affaf9) to 4.16 three hundredths of its own usage, since 4.17 (d46078b28889) nothing.
   */
  rootBonus: 'of_domain' | 'of_usage' | 'none';
  /** Up to 5.8 the result is at least 1. Since 5.9 (9066e5cfb73c, and stable 5.4.y) it may be negative. */
  atLeastOne: boolean;
  /** Since 5.3 the later of two equals in the list of processes is chosen, before that the earlier. */
  laterOfEquals: boolean;
  /**
   * From 6.2, where RSS became a counter per CPU, to 6.x only the part of it that all CPUs share is read; 7.0 sums all
   * CPUs. The shared part is off by up to max(32, 2 × CPUs) pages for each CPU and each kind of page.
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

/** The memory that ran out, and the kernel whose rules hold. */
export interface BadnessDomain {
  /** RAM and swap, or the limit of a cgroup and the swap that it may use. */
  bytes: number;
  /** The kernel rounds to pages. With 1 nothing is rounded, and the result is in bytes. */
  pageBytes: number;
  rules: BadnessRules;
}

/** A process, as far as its badness depends on it. */
export interface BadnessInput {
  pid: number;
  /** 0 stands for CAP_SYS_ADMIN. null: not known, and taken for an ordinary user. */
  uid: number | null;
  oomScoreAdj: number;
  rssBytes: number;
  swapBytes: number;
  pageTablesBytes: number;
  /** RSS and swap by the shared part of the counters alone. null or absent: not known, the exact values are taken. */
  approximateBytes?: number | null;
  /** The process uses its parent's memory until it calls exec: in_vfork(), which the kernel does not choose. */
  vfork?: boolean | null;
}

/** Why the kernel never chooses this process; null when it may. */
export function sparedBy({ pid, oomScoreAdj, vfork }: BadnessInput): Spared | null {
  if (pid === 1) return 'init';
  if (oomScoreAdj === OOM_SCORE_ADJ_MIN) return 'oom_score_adj';
  return vfork === true ? 'vfork' : null;
}

/** The badness in pages; null when the kernel never chooses the process. */
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
 * Sorts live processes as a kernel from 5.3 on would choose them: by badness, of equals the younger (the list of processes
 * begins with the oldest, and an equal replaces), and last those that it never chooses.
 */
export function byBadness(a: Weighed, b: Weighed): number {
  return compare(b.points, a.points) || b.startTicks - a.startTicks || b.pid - a.pid;
}

function compare(a: number | null, b: number | null): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  return a - b;
}
