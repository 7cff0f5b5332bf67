import { type Dirent, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { memoryHierarchy } from './memory-hierarchy.ts';

/** A machine has hundreds, some thousands; a broken one must not hold up the stream. */
const MOST_GROUPS = 20_000;
const LOOK_AGAIN_MS = 10_000;

/**
 * Paths of memory cgroups by id, which is the inode number of their directory. The kernel tells the name of each when it
 * enters the accounts; what was missed is looked up under the mount point.
 */
export class CgroupNames {
  readonly #names = new Map<bigint, { parent: bigint; name: string }>();
  readonly #paths = new Map<bigint, string>();
  readonly #mount: string | null | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(mount: string | null | undefined = memoryHierarchy()?.mount) {
    this.#mount = mount;
    if (mount != null) this.#paths.set(inode(mount), '/');
  }

  /** @param parent 0: the root */
  learn(id: bigint, parent: bigint, name: string): void {
    this.#names.set(id, { parent, name });
    this.#paths.delete(id); // numbers are never used again, but a group can be renamed on v1
  }

  /** Below the mount point; undefined: nobody knows it, or it is gone. @param id 0: the root */
  path(id: bigint): string | undefined {
    if (id === 0n) return '/';
    const known = this.#paths.get(id) ?? this.#compose(id);
    if (known !== undefined) return known;
    this.#look();
    return this.#paths.get(id);
  }

  /** From the names that the kernel told. */
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

  #look(): void {
    if (this.#mount == null || performance.now() - this.#lookedMs < LOOK_AGAIN_MS) return;
    this.#lookedMs = performance.now();
    const waiting = ['/'];
    for (let seen = 0; waiting.length > 0 && seen < MOST_GROUPS; seen++) {
      const path = waiting.pop() as string;
      const directory = join(this.#mount, path);
      try {
        this.#paths.set(inode(directory), path);
        for (const entry of readdirSync(directory, { withFileTypes: true }) as Dirent[]) {
          if (entry.isDirectory()) waiting.push(join(path, entry.name));
        }
      } catch {
        // Removed in this moment.
      }
    }
  }
}

function inode(directory: string): bigint {
  return statSync(directory, { bigint: true }).ino;
}
