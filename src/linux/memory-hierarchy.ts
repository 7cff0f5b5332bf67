import { readFileSync } from 'node:fs';
import { readIfPresent } from './read-if-present.ts';

/** The cgroup hierarchy that has the memory controller. */
export interface MemoryHierarchy {
  version: 1 | 2;
  mount: string;
  /** The mount point of cgroup v2, even if it has no memory controller: memory.pressure exists only there. */
  unified: string | undefined;
}

/** Finds the hierarchy. undefined: no memory controller is mounted. */
export function memoryHierarchy(mounts = cgroupMounts()): MemoryHierarchy | undefined {
  const { memory, unified } = mounts;
  if (memory !== undefined) return { version: 1, mount: memory, unified };
  if (unified === undefined) return undefined;
  const controllers = readIfPresent(`${unified}/cgroup.controllers`)?.trim().split(' ');
  return controllers?.includes('memory') ? { version: 2, mount: unified, unified } : undefined;
}

/** The mount points of cgroup v1's memory controller and of cgroup v2, from /proc/self/mountinfo. */
export function cgroupMounts(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): {
  memory: string | undefined;
  unified: string | undefined;
} {
  let memory: string | undefined;
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const mount = decoded(left?.split(' ')[4]);
    const [type, , options] = right?.split(' ') ?? [];
    if (!mount) continue;
    if (type === 'cgroup' && options?.split(',').includes('memory')) memory ??= mount;
    if (type === 'cgroup2') unified ??= mount;
  }
  return { memory, unified };
}

/**
 * The directory of the file system that is mounted at a mount point: "/", except in a container, which sees its own cgroup
 * only. undefined: nothing is mounted there.
 */
export function mountRoot(mount: string, mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string | undefined {
  const fields = mountinfo.split('\n').map((line) => line.split(' '));
  return decoded(fields.findLast(([, , , , place]) => decoded(place) === mount)?.[3]);
}

/** A field of mountinfo, in which the kernel escapes spaces, tabs, newlines and backslashes: show_mountinfo(). */
const decoded = (field: string | undefined) =>
  field?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
