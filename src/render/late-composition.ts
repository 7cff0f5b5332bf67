/** Whether the composition of a cgroup's memory was read too late to tell of a kill. Pure. */
import type { CgroupComposition } from '../model/cgroup-usage.ts';

/** What the cgroup still had when the figures were read (bytes). */
export function heldBytes(parts: CgroupComposition): number {
  const { usage_bytes, anon_bytes, file_bytes, shmem_bytes, kernel_bytes, sock_bytes } = parts;
  return Math.min(usage_bytes, anon_bytes + file_bytes + shmem_bytes + (kernel_bytes ?? 0) + (sock_bytes ?? 0));
}

/**
 * A dying process unmaps its pages, which are then not anonymous memory any more, and gives them back together later (struct
 * mmu_gather). Meanwhile they still count as usage, but the parts do not add up to it. A quarter may be missing: each CPU keeps pages
 * that are charged to the cgroup but not in use.
 *
 * @param atKillBytes the usage when the kernel killed
 */
export const isLate = (parts: CgroupComposition, atKillBytes: number): boolean =>
  parts.usage_bytes < 0.9 * atKillBytes || heldBytes(parts) < 0.75 * atKillBytes;
