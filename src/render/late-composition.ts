/** Whether the composition of a cgroup's memory tells of a kill, or was read too late for that. Pure. */
import type { CgroupComposition } from '../model/cgroup-usage.ts';

/** What the cgroup still had when the figures were read (bytes). */
function heldBytes(parts: CgroupComposition): number {
  const { usage_bytes, anon_bytes, file_bytes, shmem_bytes, kernel_bytes, sock_bytes } = parts;
  return Math.min(usage_bytes, anon_bytes + file_bytes + shmem_bytes + (kernel_bytes ?? 0) + (sock_bytes ?? 0));
}

/**
 * Whether the victim had given memory back before the figures were read.
 *
 * @param atKillBytes the usage when the kernel killed
 */
export const isLate = (parts: CgroupComposition, atKillBytes: number): boolean => parts.usage_bytes < 0.9 * atKillBytes;

/**
 * Whether the parts are far from adding up to the usage. A dying process unmaps its pages, which are then not anonymous memory any
 * more, and gives them back together later (struct mmu_gather); meanwhile they still count as usage. On a machine with many CPUs the
 * parts of a small cgroup may also be old (mm/memcontrol.c: memcg_rstat_updated()). A quarter may be missing: each CPU keeps
 * pages that are charged to the cgroup but not in use.
 */
export const isPartial = (parts: CgroupComposition): boolean => heldBytes(parts) < 0.75 * parts.usage_bytes;
