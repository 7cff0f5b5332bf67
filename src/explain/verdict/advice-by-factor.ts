/** What to do about each factor: a kind of memory, or a setting, that contributed to the shortage. */
import type { ReportFactor } from '../../model/oom-report.ts';
import { MUST_STAY_ADJ, SYSTEM_ADJ } from '../../survivors/survivors.ts';
import type { Advice } from './advice-step.ts';

export const byFactor: Partial<Record<ReportFactor, Advice[]>> = {
  shmem: [
    {
      do: 'Look for large files in tmpfs (/dev/shm, /tmp, /run, emptyDir with medium Memory) and for shared memory (ipcs -m); limit a tmpfs with size=.',
      because: 'Files in a tmpfs count as memory, and killing a process does not delete a file.',
    },
  ],
  slab_unreclaimable: [
    {
      do: 'Find which kernel cache grows: run slabtop -s c, or compare /proc/slabinfo some minutes apart.',
      because:
        'This memory belongs to the kernel, not to a process: a driver leaks, or there are very many sockets, pipes or inodes.',
    },
  ],
  kernel_memory: [
    {
      do: 'Look at slab, sock, kernel_stack and percpu in the cgroup’s memory.stat.',
      because:
        'Memory that the kernel holds for the cgroup counts against the limit, but not in the RSS of any process.',
    },
  ],
  page_tables: [
    {
      do: 'Use huge pages for large shared mappings, and fewer processes that map them.',
      because: 'Each process has its own page tables, for shared memory as well.',
    },
  ],
  hugepages: [
    {
      do: 'Compare vm.nr_hugepages with the huge pages in use (HugePages_Total minus HugePages_Free).',
      because: 'Ordinary allocations cannot use reserved huge pages, whether the pages are in use or not.',
    },
  ],
  swap_full: [
    {
      do: 'Find the processes whose memory was in swap (VmSwap in /proc/PID/status) and limit them before you add more swap.',
      because:
        'Swap filled up first, so the machine had been short of memory, and slow, for a while. Do not empty swap with swapoff under pressure: swapoff itself causes OOM kills.',
    },
  ],
  no_swap: [
    {
      do: 'Consider a little swap, or zram.',
      because:
        'Without swap the kernel cannot move out memory that processes no longer use, and memory runs out without warning.',
    },
  ],
  spared: [
    {
      do: `Give oom_score_adj -1000 to small processes only, and ${MUST_STAY_ADJ} to ${SYSTEM_ADJ} to others.`,
      because: 'When an exempt process is the one that grows, the kernel kills others instead.',
    },
  ],
  unaccounted: [
    {
      do: 'Compare the sum of the fields of /proc/meminfo with MemTotal; check drivers, memory balloons and GPUs.',
      because: 'This memory belongs neither to processes nor to caches.',
    },
  ],
  unevictable: [
    {
      do: 'Find the processes that lock memory (VmLck in /proc/PID/status), and check LimitMEMLOCK.',
      because: 'The kernel can neither reclaim nor swap locked pages.',
    },
  ],
};
