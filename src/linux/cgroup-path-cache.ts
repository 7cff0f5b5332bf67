import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { memoryHierarchy } from './memory-hierarchy.ts';

/** A machine has hundreds of cgroups, or some thousands. A machine with more must not hold up the caller. */
const MOST_CGROUPS = 65_536;

export interface CgroupPathCacheOptions {
  /** Where the hierarchy is mounted. null: nowhere. Default: the one that has the memory controller. */
  mount?: string | null | undefined;
  /** An unknown id makes the cache list all cgroups, at most once in this time. Default 10 s. */
  relistMs?: number;
}

/**
 * Paths of memory cgroups by id, which is the inode number of their directory. The BPF programs report the name of a cgroup
 * when they first account for it; ids that were not reported are looked up under the mount point.
 */
export class CgroupPathCache {
  readonly #names = new Map<bigint, { parent: bigint; name: string }>();
  readonly #paths = new Map<bigint, string>();
  readonly #mount: string | null;
  readonly #relistMs: number;
  #listedMs = Number.NEGATIVE_INFINITY;

  constructor({ mount = memoryHierarchy()?.mount, relistMs = 10_000 }: CgroupPathCacheOptions = {}) {
    this.#mount = mount ?? null;
    this.#relistMs = relistMs;
    if (this.#mount !== null) this.#paths.set(inode(this.#mount), '/');
  }

  /** @param parent 0: the root */
  learn(id: bigint, parent: bigint, name: string): void {
    this.#names.set(id, { parent, name });
    this.#paths.delete(id); // an id is never used again, but a cgroup of v1 can be renamed
  }

  /** undefined: the cgroup is not known, or has been removed. @param id 0: the root */
  path(id: bigint): string | undefined {
    if (id === 0n) return '/';
    const known = this.#paths.get(id) ?? this.#compose(id);
    if (known !== undefined) return known;
    this.#list();
    return this.#paths.get(id);
  }

  /** From reported names. */
  #compose(id: bigint): string | undefined {
    let path = '';
    for (let at = id, depth = 0; at !== 0n; depth++) {
      const group = this.#names.get(at);
      if (!group || depth > 64) return undefined;
      path = `/${group.name}${path}`;
      at = group.parent;
    }
    this.#paths.set(id, path);
    return path;
  }

  #list(): void {
    if (this.#mount === null || performance.now() - this.#listedMs < this.#relistMs) return;
    this.#listedMs = performance.now();
    const waiting = ['/'];
    for (let seen = 0; waiting.length > 0 && seen < MOST_CGROUPS; seen++) {
      const path = waiting.pop() as string;
      const directory = join(this.#mount, path);
      try {
        this.#paths.set(inode(directory), path);
        for (const entry of readdirSync(directory, { withFileTypes: true }) as Dirent[]) {
          if (entry.isDirectory()) waiting.push(join(path, entry.name));
        }
      } catch {
        // It was removed meanwhile.
      }
    }
  }
}

function inode(directory: string): bigint {
  return statSync(directory, { bigint: true }).ino;
}
