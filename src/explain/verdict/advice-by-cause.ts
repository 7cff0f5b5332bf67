/** What to do about each cause of an OOM. */
import { isAtLeast, parseKernelVersion } from '../../kernel-facts/version.ts';
import type { ReportCause } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import type { Advice } from './advice-step.ts';
import { noLimitRanOut } from './cause.ts';
import { hitsOf } from './limit.ts';

type Adviser = (report: ReportFacts, domainBytes: number | null) => Advice[];

export function byCause(report: ReportFacts, cause: ReportCause, domainBytes: number | null): Advice[] {
  return advisers[cause](report, domainBytes);
}

const advisers: Record<ReportCause, Adviser> = {
  page_fault: () => [
    {
      do: 'Find the cgroup that refused the page: memory.events (cgroup v2), or memory.failcnt and memory.kmem.failcnt (v1) of the cgroups with limits.',
      because:
        'The kernel then killed the largest process of the machine, which did not cause this. More memory would change nothing.',
    },
  ],
  reserved: () => [
    {
      do: 'Find out what reserves the memory: for CMA, check cma= and linux,cma regions; for the atomic reserve, check for drivers with many atomic allocations.',
      because: 'Memory was free, but this kind of request could not use it.',
    },
  ],
  no_shortage: () => [
    {
      do: 'Find the code that requested memory (the stack in the report), and check the limits of the cgroup and the cpuset that it ran in.',
      because:
        'The zones had enough memory when the report was written, so the kernel did not kill because the machine was full.',
    },
  ],
  cgroup_limit: (report) => [raise(report), ...(heldMost(report) ? [] : [lookAround(report)]), ...early(report)],
  ancestor_limit: (report) => [raise(report), lookAround(report), ...early(report)],
  watermark: machineFull,
  fragmentation: ({ trigger }) => [
    {
      do: 'Raise vm.min_free_kbytes and vm.watermark_scale_factor a little; on Linux 5.9 and later vm.compaction_proactiveness.',
      because: `Memory was free, but in pieces smaller than the ${2 ** (trigger?.order ?? 0)} contiguous pages of the request.`,
    },
    {
      do: 'Find the code that requests such blocks (the stack in the report), and change it to use single pages or vmalloc.',
      because: 'For a request of order 3 or less the kernel kills a process instead of refusing the request.',
    },
  ],
  zone: () => [
    {
      do: 'Find the driver or the 32-bit limit behind the request’s zone (the stack in the report).',
      because:
        'Other zones had memory that this request could not use; a kill frees memory in the right zone only by chance.',
    },
  ],
  cpuset: () => [
    {
      do: 'Widen cpuset.mems of the cpuset, or run fewer processes in it.',
      because: 'Only the NUMA nodes of the cpuset were full, but the kernel kills in that case too.',
    },
  ],
  mempolicy: () => [
    {
      do: 'Use a preferred or interleaved policy instead of a binding one (numactl --preferred instead of --membind).',
      because: 'With a binding policy the kernel may not use another NUMA node, so it kills instead.',
    },
  ],
  sysrq: () => [
    {
      do: 'Find out which user or program used SysRq-f. kernel.sysrq decides whether the keyboard can cause it (bit 64).',
      because: 'The kernel killed because of SysRq-f, not because memory was short.',
    },
  ],
  unknown: (report) => [
    {
      do: 'Make sure that the next report is complete: use a larger log_buf_len, a persistent journal, and no filter on the log.',
      because: noLimitRanOut(report)
        ? 'Only the missing lines say whether some NUMA nodes or the whole machine ran out of memory.'
        : 'Only the missing lines say whether a cgroup, some NUMA nodes or the whole machine ran out of memory.',
    },
  ],
};

const ALERT: Advice = {
  do: 'Alert on memory pressure (PSI full) rather than on used memory at 85 or 95 %.',
  because: 'Used memory includes cache that the kernel can reclaim; pressure means that tasks are waiting.',
};

const limitName = ({ limit }: ReportFacts) => (limit?.path == null ? 'the cgroup' : printable(limit.path));

/** True when the victim alone held more than half of the limit. */
function heldMost({ victim, limit }: ReportFacts): boolean {
  const held = victim?.memory.rss_bytes ?? null;
  return held !== null && limit?.limit_bytes != null && held > limit.limit_bytes * 0.5;
}

function raise(report: ReportFacts): Advice {
  const [hit] = report.limit ? hitsOf(report.limit) : [];
  const limit = hit ? formatBytes(hit.limitBytes) : 'its limit';
  return {
    do: `Find out whether ${limitName(report)} needs more than ${limit} at its peak (memory.peak, or memory.max_usage_in_bytes). If so, raise the limit to that peak and a fifth more; otherwise reduce what runs in it.`,
    because: 'Only the limit ran out: more RAM or swap for the machine would change nothing.',
  };
}

const lookAround = (report: ReportFacts): Advice => ({
  do: `Look at all cgroups below ${report.limit?.path == null ? 'it' : limitName(report)}, not only at the victim’s own, and give them limits whose sum is smaller.`,
  because: 'All of them share the limit: whichever cgroup grows, the kernel kills the largest process.',
});

/** Advice for cgroup v2 only: cgroup v1 has neither memory.high nor memory.pressure, and memory.pressure needs 4.20. */
function early({ cgroup_version, kernel }: ReportFacts): Advice[] {
  const version = kernel === null ? undefined : parseKernelVersion(kernel);
  if (cgroup_version === 1 || (version && !isAtLeast(version, [4, 20]))) return [];
  return [
    {
      do: 'Set memory.high (cgroup v2) some 10 % below the limit, and watch memory.pressure of the cgroup.',
      because: 'The kernel then slows the cgroup down, which memory.pressure shows, before it kills a process.',
    },
  ];
}

function machineFull({ kernel }: ReportFacts, domainBytes: number | null): Advice[] {
  const version = kernel === null ? undefined : parseKernelVersion(kernel);
  const pressure = !version || isAtLeast(version, [4, 20]);
  const all = domainBytes === null ? 'the memory of the machine' : `${formatBytes(domainBytes)} of memory and swap`;
  return [
    {
      do: 'Give each service a limit (MemoryMax=, --memory, resources.limits) below what the machine has.',
      because: `The whole of ${all} was used up, and the kernel chose its victim by size, not by fault.`,
    },
    {
      do: 'Add RAM, or swap (zram is the fastest), if the load is meant to be that high.',
      because: 'The whole machine was short of memory, so more memory helps.',
    },
    ...(pressure ? [ALERT] : []),
  ];
}
