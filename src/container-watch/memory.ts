/**
 * Reads the memory of one container from the files of its cgroup.
 */

import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import type { ContainerMemory } from '../model/container-report.ts';
import type { Growth } from '../model/pressure.ts';

/** @returns undefined: the cgroup does not exist, or has no memory controller. */
export function readContainerMemory(
  cgroups: Cgroupfs,
  path: string,
  growth: Growth | null,
): ContainerMemory | undefined {
  using group = cgroups.open(path);
  const usage = group?.usage();
  if (!group || usage === undefined) return undefined;
  const v1 = cgroups.version === 1;
  const file = (name: string) => readIfPresent(`${group.directory}/${name}`);
  const bytes = (name: string) => {
    const text = file(name)?.trim();
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
  };
  const stat = readStat(file('memory.stat') ?? '', v1, v1 ? bytes('memory.kmem.usage_in_bytes') : null);
  const effective = cgroups.effectiveLimit(path);
  const counts = group.counts();
  return {
    cgroup: path,
    cgroup_version: cgroups.version,
    limit_bytes: group.limit(),
    effective_limit: effective && {
      ...{ path: effective.path, limit_bytes: effective.limitBytes, left_bytes: effective.leftBytes },
    },
    swap_limit_bytes: v1 ? null : group.swapLimit(),
    memory_and_swap_limit_bytes: v1 ? group.swapLimit() : null,
    high_bytes: group.high(),
    usage_bytes: usage,
    working_set_bytes: Math.max(0, usage - stat.inactive_file_bytes),
    peak_bytes: bytes(v1 ? 'memory.max_usage_in_bytes' : 'memory.peak'), // v2: since 5.19
    swap_bytes: group.swap(),
    stat,
    unreclaimable_bytes:
      stat.anon_bytes + stat.shmem_bytes + Math.max(0, (stat.kernel_bytes ?? 0) - (stat.slab_reclaimable_bytes ?? 0)),
    counts: {
      ...{ limit_hits: counts.limitHits, high: counts.high, oom_kills: counts.oomKills },
      ooms: group.ooms(),
    },
    oom_group: v1 ? null : bytes('memory.oom.group') === 1,
    pressure: group.pressure(),
    growth,
  };
}

/**
 * Parses memory.stat, which covers the cgroup and its descendants. On v2 it includes kernel memory since Linux 5.18;
 * on v1 the caller passes kernel memory as `kmem`.
 */
export function readStat(text: string, v1: boolean, kmem: number | null): ContainerMemory['stat'] {
  const lines = new Map(text.split('\n').map((line) => line.split(' ') as [string, string]));
  const value = (name: string) => {
    const found = lines.get(name);
    return found !== undefined && /^\d+$/.test(found) ? Number(found) : null;
  };
  if (v1) {
    return {
      anon_bytes: value('total_rss') ?? 0,
      file_bytes: value('total_cache') ?? 0,
      shmem_bytes: value('total_shmem') ?? 0,
      mapped_bytes: value('total_mapped_file') ?? 0,
      inactive_file_bytes: value('total_inactive_file') ?? 0,
      ...{ kernel_bytes: kmem, slab_reclaimable_bytes: null, page_tables_bytes: null },
    };
  }
  const parts = ['kernel_stack', 'pagetables', 'percpu', 'sock', 'slab'].map((name) => value(name) ?? 0);
  return {
    anon_bytes: value('anon') ?? 0,
    file_bytes: value('file') ?? 0,
    shmem_bytes: value('shmem') ?? 0,
    mapped_bytes: value('file_mapped') ?? 0,
    inactive_file_bytes: value('inactive_file') ?? 0,
    kernel_bytes: value('kernel') ?? parts.reduce((a, b) => a + b, 0),
    slab_reclaimable_bytes: value('slab_reclaimable'),
    page_tables_bytes: value('pagetables'),
  };
}
