/** The memory of cgroups in events about kills. */

import type { CgroupOwner } from './container.ts';
import type { Int64 } from './envelope.ts';

/** One memory cgroup at the moment of the kill. */
export interface CgroupUsage {
  /**
   * Path below the mount point of the memory cgroups. Where `missing` has `cgroups` or `limit.path`, "/…" stands for
   * the part that is unknown.
   */
  path: string;
  /** The id of the cgroup: the inode number of its directory. */
  id: Int64;
  /** Memory that is charged to the cgroup and to the cgroups below it. */
  usage_bytes: number;
  /** The memory limit. null: the cgroup has no limit. */
  limit_bytes: number | null;
  /** cgroup v2: swap in use. null: this is v1. */
  swap_bytes: number | null;
  /** cgroup v2: the limit of swap. null: there is no limit, or this is v1. */
  swap_limit_bytes: number | null;
  /** cgroup v1: memory and swap together. null: this is v2. */
  memory_and_swap_bytes: number | null;
  /** cgroup v1: the limit of memory and swap together. null: there is no limit, or this is v2. */
  memory_and_swap_limit_bytes: number | null;
  /** Whether `memory.oom.group` is set, which makes the kernel kill all processes of the cgroup at once. */
  oom_group: boolean;
}

/**
 * The cgroup whose limit was hit, and its owner. It may be the cgroup of a container, or of a pod or slice above it.
 */
export interface LimitCgroup extends CgroupUsage, CgroupOwner {}

/** What the memory of a cgroup and of the cgroups below it consists of. */
export interface CgroupComposition {
  /** Where the figures come from: the file `memory.stat` of the cgroup. */
  source: 'memory.stat';
  /** How long after the kill the figures were read, in nanoseconds. The victim frees its memory meanwhile. */
  age_ns: number;
  /** Memory that was charged to the cgroup when the figures were read. */
  usage_bytes: number;
  /** Anonymous memory of processes: heap and stack. */
  anon_bytes: number;
  /** Pages of files, without `shmem_bytes`. */
  file_bytes: number;
  /** Files in tmpfs, and shared memory. They remain when a process is killed. */
  shmem_bytes: number;
  /** Memory of the kernel for the cgroup: slab, page tables, stacks and others. null: not accounted. */
  kernel_bytes: number | null;
  /** Kernel objects such as inodes and dentries. null: not accounted, or this is cgroup v1. */
  slab_bytes: number | null;
  /** Buffers of network connections. null: not accounted, or this is cgroup v1. */
  sock_bytes: number | null;
  /** Page tables. null: not accounted, or this is cgroup v1. */
  page_tables_bytes: number | null;
  /** Swapped memory. null: not accounted. */
  swap_bytes: number | null;
}
