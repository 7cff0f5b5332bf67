import { readdirSync, statSync } from 'node:fs';
import { cgroupAncestors } from '../text/cgroup-path.ts';
import { pidsBelow } from './cgroup-pids.ts';
import { inode, MemoryCgroup } from './memory-cgroup.ts';
import { type MemoryHierarchy, memoryHierarchy } from './memory-hierarchy.ts';

/** A memory limit that applies to a cgroup: its own, or the limit of a cgroup above it. */
export interface Limit {
  /** The path of the cgroup that has the limit. */
  path: string;
  limitBytes: number;
  /** The limit minus the usage, at least 0. The usage includes inactive file pages. */
  leftBytes: number;
}

/** The hierarchy of memory cgroups, v1 or v2. text/cgroup-path.ts describes its paths. */
export class Cgroupfs {
  readonly version: 1 | 2;
  readonly #hierarchy: MemoryHierarchy;
  /** The link count of each listed directory: two, plus one for each directory in it. */
  readonly #links = new Map<string, number>();

  constructor(hierarchy: MemoryHierarchy) {
    this.#hierarchy = hierarchy;
    this.version = hierarchy.version;
  }

  /** The hierarchy that has the memory controller; undefined when none is mounted. */
  static find(): Cgroupfs | undefined {
    const hierarchy = memoryHierarchy();
    return hierarchy && new Cgroupfs(hierarchy);
  }

  directory(path: string): string {
    return path === '/' ? this.#hierarchy.mount : `${this.#hierarchy.mount}${path}`;
  }

  /**
   * The paths of a cgroup and of all cgroups below it, at most `most`, in breadth-first order: cgroups near the root
   * come first. Cgroups with names that are not UTF-8 are left out.
   */
  paths(most = 4096, from = '/'): string[] {
    const found = [from];
    this.#links.clear();
    for (let next = 0; next < found.length && found.length < most; next++) {
      const parent = found[next] as string;
      this.#links.set(parent, links(this.directory(parent)));
      for (const name of childrenOf(this.directory(parent))) {
        if (found.length < most) found.push(parent === '/' ? `/${name}` : `${parent}/${name}`);
      }
    }
    return found;
  }

  /**
   * Whether cgroups were created or removed since paths() listed them. Costs a tenth of paths(). It compares link
   * counts, so it does not notice one cgroup created and another removed in the same directory.
   */
  stale(): boolean {
    for (const [path, before] of this.#links) if (links(this.directory(path)) !== before) return true;
    return false;
  }

  /** The pids in a cgroup and in all cgroups below it. The kernel writes 0 for a process of another pid namespace. */
  members(path: string): Set<number> {
    return pidsBelow(this.directory(path)).pids;
  }

  /** The kernel's id of a cgroup: the inode number of its directory. "0": there is no such cgroup. */
  id(path: string): string {
    return inode(this.directory(path));
  }

  /**
   * Opens a cgroup; the caller must close it. undefined: there is none, or it has no memory controller (the root of
   * v2).
   */
  open(path: string): MemoryCgroup | undefined {
    const directory = this.directory(path);
    const { version, unified } = this.#hierarchy;
    const pressure = version === 2 ? directory : unified === undefined ? undefined : `${unified}${path}`;
    return MemoryCgroup.open({ path, directory, version, pressure });
  }

  /** The limits that apply to a cgroup, first its own limit, then the limits of its ancestors. No value is cached. */
  limits(path: string): Limit[] {
    const limits: Limit[] = [];
    for (const each of cgroupAncestors(path)) {
      using group = this.open(each);
      const limitBytes = group?.limit() ?? null;
      if (group && limitBytes !== null) {
        limits.push({ path: each, limitBytes, leftBytes: Math.max(0, limitBytes - (group.usage() ?? 0)) });
      }
      if (group?.hierarchical() === false) break;
    }
    return limits;
  }

  /** The limit with the least memory left, which will be hit first. null: no limit applies. */
  effectiveLimit(path: string): Limit | null {
    const limits = this.limits(path);
    return limits.length === 0
      ? null
      : limits.reduce((least, limit) => (limit.leftBytes < least.leftBytes ? limit : least));
  }
}

function childrenOf(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.includes('\ufffd'))
      .map(({ name }) => name)
      .sort();
  } catch {
    return []; // the cgroup was removed meanwhile
  }
}

function links(directory: string): number {
  return statSync(directory, { throwIfNoEntry: false })?.nlink ?? 0;
}
