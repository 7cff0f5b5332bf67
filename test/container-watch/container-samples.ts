/** Sample reports about containers, for the tests of remarks and advice. */
import type { ContainerMemory, ContainerReport } from '../../src/model/container-report.ts';

export const ID = 'a1b2c3d4e5f60718'.repeat(4);

export function aMemory(parts: Partial<ContainerMemory> = {}): ContainerMemory {
  return {
    ...{ cgroup: `/docker/${ID}`, cgroup_version: 2, limit_bytes: null, effective_limit: null, swap_limit_bytes: null },
    ...{ memory_and_swap_limit_bytes: null, high_bytes: null, usage_bytes: 0, working_set_bytes: 0, peak_bytes: null },
    ...{ swap_bytes: null, unreclaimable_bytes: 0, oom_group: false, pressure: null, growth: null },
    stat: {
      ...{ anon_bytes: 0, file_bytes: 0, shmem_bytes: 0, mapped_bytes: 0, inactive_file_bytes: 0, kernel_bytes: null },
      ...{ slab_reclaimable_bytes: null, page_tables_bytes: null },
    },
    counts: { limit_hits: 0, high: 0, oom_kills: 0, ooms: 0 },
    ...parts,
  };
}

export function aReport(parts: Partial<ContainerReport> = {}): ContainerReport {
  const names = { name: 'web', image: 'shop:1', compose_project: 'shop', compose_service: 'web' };
  return {
    ...{ unit: null, pod: null, container: { runtime: 'docker', id: ID, ...names } },
    ...{ state: 'running', pid: 1, exit_code: null, oom_killed: false, started_at: null, finished_at: null },
    ...{ restart_count: 0, restart_policy: 'no', configured: null, memory: aMemory(), remarks: [] },
    ...parts,
  };
}
