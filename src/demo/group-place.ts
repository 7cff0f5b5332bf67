/** Finds the place for a new memory cgroup: the mounted hierarchy, and a parent with enough memory left. */
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { memoryHierarchy, mountRoot } from '../linux/memory-hierarchy.ts';
import { memoryCgroup } from '../linux/process-files.ts';
import { readLimit, readPairs, readUsage } from './group-files.ts';

const MIB = 2 ** 20;
/** In addition to the limit of a new group, its ancestors must have this much memory left. */
const SPARE_BYTES = 64 * MIB;

/** Thrown when no memory cgroup can be made on this machine. The message is one sentence that says why. */
export class MemoryGroupUnavailable extends Error {
  override readonly name = 'MemoryGroupUnavailable';
}

/** The mounted hierarchy that has the memory controller. */
export interface Hierarchy {
  version: 1 | 2;
  mountPoint: string;
  /** The cgroup at `mountPoint`: `/`, except in containers, which see only their own cgroup. */
  mountRoot: string;
  /** The group of this process, as in /proc/self/cgroup. */
  ownPath: string;
}

/** @throws MemoryGroupUnavailable when no hierarchy with the memory controller is mounted */
export function findHierarchy(): Hierarchy {
  const found = memoryHierarchy();
  const ownPath = memoryCgroup(readFileSync('/proc/self/cgroup', 'latin1'))?.trimEnd();
  if (!found || ownPath === undefined) {
    throw new MemoryGroupUnavailable('no mounted cgroup hierarchy has the memory controller');
  }
  return { version: found.version, mountPoint: found.mount, mountRoot: mountRoot(found.mount) ?? '/', ownPath };
}

/** Makes the directory of the group in the first parent in which this is permitted. */
export function makeDirectory(
  hierarchy: Hierarchy,
  options: { limitBytes: number; parent?: string },
  name: string,
): string {
  const parents = options.parent === undefined ? defaultParents(hierarchy) : [options.parent];
  const refusals: string[] = [];
  for (const parent of parents) {
    try {
      accessSync(parent, constants.W_OK);
      if (hierarchy.version === 2) delegateMemory(parent);
      checkRoom(hierarchy, parent, options.limitBytes);
      mkdirSync(join(parent, name));
      return join(parent, name);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (error instanceof MemoryGroupUnavailable || code === 'EEXIST') throw error;
      refusals.push(`${parent}: ${code ?? String(error)}`);
    }
  }
  throw new MemoryGroupUnavailable(`no memory cgroup can be made beneath ${refusals.join(', ')}`);
}

/**
 * The group of this process and its ancestors, up to the mount point. On v2 the process's own group is rarely usable: a
 * group with members cannot enable the memory controller for its children, unless it is the root.
 */
function defaultParents(hierarchy: Hierarchy): string[] {
  const inside = relative(hierarchy.mountRoot, hierarchy.ownPath);
  const parents = [hierarchy.mountPoint];
  if (inside === '' || inside.startsWith('..')) return parents;
  for (let path = inside; path !== '.'; path = dirname(path)) {
    parents.splice(-1, 0, join(hierarchy.mountPoint, path));
  }
  return parents;
}

/** On v2: enables the memory controller for the children of this group. Throws EBUSY when the group has members. */
export function delegateMemory(path: string): void {
  if (controllers(path, 'cgroup.subtree_control').includes('memory')) return;
  writeFileSync(join(path, 'cgroup.subtree_control'), '+memory');
}

function controllers(path: string, file: string): string[] {
  return readFileSync(join(path, file), 'utf8').trim().split(' ');
}

/** Only the new group may run out of memory: its ancestors and the machine must have room for its whole limit. */
function checkRoom(hierarchy: Hierarchy, parent: string, limitBytes: number): void {
  const prefix = hierarchy.version === 1 ? 'total_' : '';
  const needed = limitBytes + SPARE_BYTES;
  const available = readPairs('/proc', 'meminfo')['MemAvailable:'] ?? 0;
  const refuse = (where: string, bytes: number): never => {
    const [need, have] = [needed, bytes].map((number) => Math.floor(number / MIB));
    throw new MemoryGroupUnavailable(`${where} has ${have} MiB left, but a group with this limit needs ${need} MiB`);
  };
  if (available * 1024 < needed) refuse('the machine', available * 1024);
  for (let path = parent; path.startsWith(hierarchy.mountPoint); path = dirname(path)) {
    const limit = readLimit(path, hierarchy.version);
    if (limit === Infinity) continue;
    const stat = readPairs(path, 'memory.stat');
    const cache = (stat[`${prefix}active_file`] ?? 0) + (stat[`${prefix}inactive_file`] ?? 0);
    const left = limit - readUsage(path, hierarchy.version) + cache;
    if (left < needed) refuse(path, left);
  }
}
