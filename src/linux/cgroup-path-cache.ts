import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { memoryHierarchy } from './memory-hierarchy.ts';

/** The most cgroups that one listing reads, so that a machine with very many cgroups does not block the caller. */
const MOST_CGROUPS = 65_536;
/** So many names, and so many paths, are kept twice over before the older half is dropped: most cgroups do not last. */
const MOST_KEPT = 512;

export interface CgroupPathCacheOptions {
  /** The mount point of the hierarchy. null: not mounted. Default: the hierarchy that has the memory controller. */
  mount?: string | null | undefined;
  /** The minimum time between two listings of all cgroups. An unknown id causes a listing. Default 10 s. */
  relistMs?: number;
}

/**
 * The paths of memory cgroups by id, which is the inode number of their directory. The BPF programs report the name of
 * a cgroup when they first record data about it. An id that they have not reported is looked up under the mount point.
 */
export class CgroupPathCache {
  readonly #names = new Recent<{ parent: bigint; name: string }>();
  readonly #paths = new Recent<string>();
  readonly #mount: string | null;
  readonly #relistMs: number;
  #listedMs = Number.NEGATIVE_INFINITY;

  constructor({ mount = memoryHierarchy()?.mount, relistMs = 10_000 }: CgroupPathCacheOptions = {}) {
    this.#mount = mount ?? null;
    this.#relistMs = relistMs;
    if (this.#mount !== null) this.#paths.set(inode(this.#mount), '/');
  }

  /** Stores the name of a cgroup. @param parent the id of the parent; 0: the root */
  learn(id: bigint, parent: bigint, name: string): void {
    this.#names.set(id, { parent, name });
    this.#paths.delete(id); // the kernel never reuses an id, but a cgroup of v1 can be renamed
  }

  /** The path of a cgroup. undefined: the cgroup is not known, or has been removed. @param id 0: the root */
  path(id: bigint): string | undefined {
    if (id === 0n) return '/';
    const known = this.#paths.get(id) ?? this.#compose(id);
    if (known !== undefined) return known;
    this.#list();
    return this.#paths.get(id);
  }

  /** The id of the cgroup that has this path now. undefined: there is none. */
  id(path: string): bigint | undefined {
    if (this.#mount === null) return undefined;
    return statSync(join(this.#mount, path), { bigint: true, throwIfNoEntry: false })?.ino;
  }

  /** Composes a path from the names that the BPF programs reported. */
  #compose(id: bigint): string | undefined {
    let path = '';
    for (let at = id, depth = 0; at !== 0n; depth++) {
      const group = this.#names.get(at);
      if (!group || depth > 64) return undefined;
      this.#names.set(at, group); // an ancestor is reported once, and must stay known
      path = `/${group.name}${path}`;
      at = group.parent;
    }
    this.#paths.set(id, path);
    return path;
  }

  #list(): void {
    if (this.#mount === null || performance.now() - this.#listedMs < this.#relistMs) return;
    this.#listedMs = performance.now();
    const paths = new Map<bigint, string>();
    this.#paths.replace(paths);
    const waiting = ['/'];
    for (let seen = 0; waiting.length > 0 && seen < MOST_CGROUPS; seen++) {
      const path = waiting.pop() as string;
      const directory = join(this.#mount, path);
      try {
        paths.set(inode(directory), path);
        for (const entry of readdirSync(directory, { withFileTypes: true }) as Dirent[]) {
          if (entry.isDirectory()) waiting.push(join(path, entry.name));
        }
      } catch {
        // The cgroup was removed meanwhile.
      }
    }
  }
}

/** A map that forgets what was set long ago: it has two halves, and the older one is dropped when the newer one is full. */
class Recent<V> {
  #newer = new Map<bigint, V>();
  #older = new Map<bigint, V>();

  get(id: bigint): V | undefined {
    return this.#newer.get(id) ?? this.#older.get(id);
  }

  set(id: bigint, value: V): void {
    if (this.#newer.size >= MOST_KEPT) this.replace(new Map());
    this.#newer.set(id, value);
  }

  delete(id: bigint): void {
    this.#newer.delete(id);
    this.#older.delete(id);
  }

  /** @param newer takes the place of the newer half, which becomes the older one */
  replace(newer: Map<bigint, V>): void {
    this.#older = this.#newer;
    this.#newer = newer;
  }
}

function inode(directory: string): bigint {
  return statSync(directory, { bigint: true }).ino;
}
