/** What to do about it: for this cause, these kinds of memory, this program, each with its reason. */

import type { ReportCause, ReportFactor } from '../../model/oom-report.ts';
import { EXPENDABLE_ADJ, MUST_STAY_ADJ, SYSTEM_ADJ, survivorOf } from '../../survivors/survivors.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/facts.ts';
import type { Factor } from './factors.ts';
import { runtimeOf } from './runtimes.ts';

export type Advice = { do: string; because: string };

export function adviceOf(
  report: ReportFacts,
  cause: ReportCause,
  factors: readonly Factor[],
  domainBytes: number | null,
): Advice[] {
  const { victim, outcome } = report;
  const runtime = victim ? runtimeOf(victim.comm) : undefined;
  const panic: Advice[] =
    outcome === 'panic'
      ? [
          {
            do: 'Set vm.panic_on_oom to 0, unless a reboot is what you want.',
            because: 'With 1 any OOM of the system panics, with 2 that of a single cgroup does, too.',
          },
        ]
      : [];
  const nobody: Advice[] =
    outcome === 'nobody_killable'
      ? [
          {
            do: 'Let somebody in there be killable: raise an oom_score_adj of -1000.',
            because: 'Where all are exempt the kernel can free nothing: the asker fails, or waits for ever.',
          },
        ]
      : [];
  return [
    ...panic,
    ...nobody,
    ...byCause(report, cause, domainBytes),
    ...factors.flatMap(({ factor }) => byFactor[factor] ?? []),
    ...(runtime?.advice ?? []),
    ...protection(report, cause),
  ];
}

function byCause(report: ReportFacts, cause: ReportCause, domainBytes: number | null): Advice[] {
  const { limit, victim, trigger } = report;
  const path = printable(limit?.path ?? '?');
  switch (cause) {
    case 'cgroup_limit':
    case 'ancestor_limit': {
      const held = victim?.memory.rss_bytes ?? null;
      const most = held !== null && limit?.limit_bytes != null && held > limit.limit_bytes * 0.5;
      const raise: Advice = {
        do: `Find out whether ${path} needs more than ${limit?.limit_bytes == null ? 'its limit' : formatBytes(limit.limit_bytes)} at its peak (memory.peak, or memory.max_usage_in_bytes), and raise the limit to that and a fifth more; or make what runs in it take less.`,
        because: 'Only the limit ran out: more RAM or swap for the machine would change nothing.',
      };
      const above: Advice = {
        do: `Look at all that is in ${path}, not only at the victim’s own group: give the parts limits that add up to less.`,
        because: 'The limit is shared: whoever grows in it, the largest is killed.',
      };
      const early: Advice = {
        do: 'Set memory.high (cgroup v2) some 10 % below the limit, and watch memory.pressure of the group.',
        because: 'It is slowed down and seen before it is killed.',
      };
      return [raise, ...(cause === 'ancestor_limit' || !most ? [above] : []), early];
    }
    case 'watermark':
      return [
        {
          do: 'Give each service a limit (MemoryMax=, --memory, resources.limits) below what the machine has.',
          because: `Nothing was limited: all ${domainBytes === null ? 'memory' : formatBytes(domainBytes)} went, and the kernel chose by size, not by who is at fault.`,
        },
        {
          do: 'Add RAM, or swap (zram is the fastest), if the load is meant to be that high.',
          because: 'This is a shortage of the whole machine, where that helps.',
        },
        {
          do: 'Alert on memory pressure (PSI full) rather than on used memory at 85 or 95 %.',
          because: 'Used memory includes cache that can be had back; pressure says that work is waiting.',
        },
      ];
    case 'fragmentation':
      return [
        {
          do: 'Raise vm.min_free_kbytes and vm.watermark_scale_factor a little; on 5.9 and later vm.compaction_proactiveness.',
          because: `Memory was free, in pieces smaller than the ${2 ** (trigger?.order ?? 0)} pages in a row that were asked for.`,
        },
        {
          do: 'Find out who asks for such blocks (the stack in the report), and have it take single pages or vmalloc.',
          because: 'Requests up to order 3 are never refused: the kernel kills for them.',
        },
      ];
    case 'zone':
      return [
        {
          do: 'Find the driver or the 32-bit limit behind the request’s zone (the stack in the report).',
          because: 'Other zones had memory that this request may not use; killing processes helps it only by chance.',
        },
      ];
    case 'cpuset':
      return [
        {
          do: 'Widen cpuset.mems of the group, or place less there.',
          because: 'Only its nodes were full; killing happens all the same.',
        },
      ];
    case 'mempolicy':
      return [
        {
          do: 'Use a preferred or interleaved policy instead of a binding one (numactl --preferred instead of --membind).',
          because: 'A binding policy may not fall back to another node, so it kills instead.',
        },
      ];
    case 'sysrq':
      return [
        {
          do: 'Find out who did it; kernel.sysrq decides who may (bit 64 allows it).',
          because: 'The kernel only did as it was told.',
        },
      ];
    default:
      return [
        {
          do: 'Keep the whole report the next time: a larger log_buf_len, a persistent journal, no filter on the log.',
          because: 'Without its head nobody can tell whose limit it was.',
        },
      ];
  }
}

const byFactor: Partial<Record<ReportFactor, Advice[]>> = {
  shmem: [
    {
      do: 'Look for large files in tmpfs (/dev/shm, /tmp, /run, emptyDir with medium Memory) and for shared memory (ipcs -m); limit them with size=.',
      because: 'It counts as memory, and killing a process does not delete a file.',
    },
  ],
  slab_unreclaimable: [
    {
      do: 'See who fills the kernel’s caches: slabtop -s c, or /proc/slabinfo twice some minutes apart.',
      because:
        'This is the kernel’s own memory on behalf of somebody: a leak in a driver, or very many sockets, pipes or inodes. No process has it in its RSS.',
    },
  ],
  kernel_memory: [
    {
      do: 'Look at the group’s memory.stat (slab, sock, kernel_stack, percpu) for what the kernel holds on its behalf.',
      because: 'It counts against the limit, and no process’s RSS shows it.',
    },
  ],
  page_tables: [
    {
      do: 'Use huge pages for large shared mappings, and fewer processes that map them.',
      because: 'Each process has page tables of its own, of the shared parts too.',
    },
  ],
  hugepages: [
    {
      do: 'Check vm.nr_hugepages against what is used (HugePages_Free).',
      because: 'Reserved huge pages are lost to everybody else, used or not.',
    },
  ],
  swap_full: [
    {
      do: 'Find what was in swap (VmSwap in /proc/PID/status), and limit it, before adding more swap.',
      because:
        'Swap filled up first: the machine had been short for a while, and slow. Never empty it with swapoff under pressure: it kills.',
    },
  ],
  no_swap: [
    {
      do: 'Consider a little swap, or zram.',
      because: 'Without it, memory that was used once can never be moved out, and there is no warning before the end.',
    },
  ],
  spared: [
    {
      do: `Give processes -1000 only when they are small, and ${MUST_STAY_ADJ} to ${SYSTEM_ADJ} otherwise.`,
      because: 'What cannot be killed is left over when it is the one that grew: others die for it.',
    },
  ],
  unaccounted: [
    {
      do: 'Compare the sum of /proc/meminfo with MemTotal; suspect drivers, balloons, GPUs.',
      because: 'Neither processes nor caches hold it.',
    },
  ],
  unevictable: [
    {
      do: 'Check who locks memory (VmLck in /proc/PID/status) and LimitMEMLOCK.',
      because: 'Locked pages can neither be reclaimed nor swapped.',
    },
  ],
};

/** oom_score_adj, in today’s numbers: not -17, and not -1000 for everything that matters. */
function protection({ victim }: ReportFacts, cause: ReportCause): Advice[] {
  if (!victim || cause === 'sysrq' || cause === 'cgroup_limit') return [];
  const set = victim.oom_score_adj;
  if (set !== null && set >= EXPENDABLE_ADJ) return [];
  const survivor = survivorOf(victim.comm);
  if (survivor?.environment || survivor?.setBy === 'program') return []; // its runtime’s advice, or it does it itself
  const known = survivor?.adj ?? 0;
  const adj = known < 0 ? known : MUST_STAY_ADJ;
  return [
    {
      do: `If ${printable(victim.comm)} must stay: OOMScoreAdjust=${adj} in its unit, and +${EXPENDABLE_ADJ} or more for what may go.`,
      because:
        'The kernel goes by size plus thousandths of what ran out; the values -17 to 15 of old have not been used since 2.6.36.',
    },
  ];
}
