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
    const mount = left
      ?.split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const [type, , options] = right?.split(' ') ?? [];
    if (!mount) continue;
    if (type === 'cgroup' && options?.split(',').includes('memory')) memory ??= mount;
    if (type === 'cgroup2') unified ??= mount;
  }
  return { memory, unified };
}
