/** Finds which limit of a cgroup was hit. cgroup v1 has three: for memory, for memory plus swap, for kernel memory. */
import type { ReportLimit } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';

export interface Hit {
  /** "limit of 24 MiB", or "limit of memory and swap together, 48 MiB" */
  words: string;
  limitBytes: number;
  usageBytes: number | null;
}

/** A limit counts as hit from this far below it: a charge of up to MEMCG_CHARGE_BATCH pages fails as a whole. */
const SLACK_BYTES = 64 * 4096;

/** The limits that are full. When none is full, the memory limit. */
export function hitsOf(limit: ReportLimit): Hit[] {
  const { limit_bytes: memory, usage_bytes: used } = limit;
  const { memory_and_swap_limit_bytes: both, memory_and_swap_bytes: usedBoth } = limit;
  const { kernel_limit_bytes: kernel, kernel_bytes: usedKernel } = limit;
  const candidates: [string, number | null, number | null][] = [
    ['limit of', memory, used],
    ['limit of memory and swap together,', both, usedBoth],
    ['limit of kernel memory,', kernel, usedKernel],
  ];
  const known = candidates.flatMap(([words, limitBytes, usageBytes]) =>
    limitBytes === null ? [] : [{ words: `${words} ${formatBytes(limitBytes)}`, limitBytes, usageBytes }],
  );
  const full = known.filter(({ limitBytes, usageBytes }) => {
    const slack = Math.min(SLACK_BYTES, limitBytes / 100);
    return usageBytes !== null && limitBytes > 0 && usageBytes >= limitBytes - slack;
  });
  if (full.length > 0) return full;
  return known.filter(({ limitBytes }) => limitBytes === memory).slice(0, 1);
}

/** The cgroup kubepods is explained: its limit is the node's allocatable memory, which all pods share. */
export function nameOfLimit(path: string | null): string {
  if (path === null) return 'a cgroup';
  if (/^\/kubepods(?:\.slice)?$/.test(path)) return `the cgroup ${path} (all pods of the node together)`;
  return path === '/' ? 'the root cgroup' : `the cgroup ${printable(path)}`;
}
