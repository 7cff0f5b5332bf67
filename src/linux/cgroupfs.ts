/**
 * Memory cgroups as their files show them, on cgroup v1 and v2: Documentation/admin-guide/cgroup-v1/memory.rst and
 * cgroup-v2.rst. Paths are those below the mount point, as in /proc/PID/cgroup; "/" is the root.
 */
import { readdirSync, statSync } from 'node:fs';
import type { SystemState } from '../model/events.ts';
import { type MemoryHierarchy, memoryHierarchy } from './capabilities.ts';
import { numberAt, numberOf, SmallFile } from './small-file.ts';
import { type StallTotals, stallTotals } from './stall-totals.ts';
import { parsePressure } from './system.ts';

/** A limit that holds for a cgroup: its own, or that of one above it. */
export interface Limit {
  /** The cgroup that has it. */
  path: string;
  limitBytes: number;
  /** What may still be taken there: never less than 0. Inactive file pages count as taken. */
  leftBytes: number;
}

/** What it has counted since it was made. null: this kernel or version does not count it. */
export interface CgroupCounts {
  /** Allocations above `memory.high`. */
  high: number | null;
  /** Times that usage hit the limit: `max` of memory.events, memory.failcnt on v1. */
  limitHits: number | null;
  /** OOM kills; on v2 of those beneath it too. */
  oomKills: number | null;
}

export class Cgroupfs {
  readonly version: 1 | 2;
  readonly #hierarchy: MemoryHierarchy;
  /** Links of each directory that was listed: two, and one for each directory in it. */
  readonly #links = new Map<string, number>();

  /** @param hierarchy by default the one that has the memory controller */
  constructor(hierarchy: MemoryHierarchy) {
    this.#hierarchy = hierarchy;
    this.version = hierarchy.version;
  }

  /** undefined when no memory controller is mounted. */
  static find(): Cgroupfs | undefined {
    const hierarchy = memoryHierarchy();
    return hierarchy && new Cgroupfs(hierarchy);
  }

  directory(path: string): string {
    return path === '/' ? this.#hierarchy.mount : `${this.#hierarchy.mount}${path}`;
  }

  /**
   * The paths of a group and all beneath it, each before its own, at most `most`: the levels nearest to the root first.
   * Those with names that are not UTF-8 are left out.
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

  /** The kernel's id of a cgroup: the inode number of its directory, "0" when it is gone. */
  id(path: string): string {
    return inode(this.directory(path));
  }

  /**
   * Have groups come or gone since `paths` looked? A tenth of its cost; it does not see one that came where another left.
   */
  stale(): boolean {
    for (const [path, before] of this.#links) if (links(this.directory(path)) !== before) return true;
    return false;
  }

  /** undefined: there is no such group, or it has no memory controller (as the root of v2). Close it after use. */
  open(path: string): MemoryCgroup | undefined {
    const directory = this.directory(path);
    const usage = SmallFile.open(`${directory}/${files[this.version].usage}`);
    if (!usage) return undefined;
    const { version, unified } = this.#hierarchy;
    const pressure = version === 2 ? directory : unified === undefined ? undefined : `${unified}${path}`;
    return new MemoryCgroup(path, directory, version, usage, pressure);
  }

  /** The limits that hold for a group, from its own up to the root. Each is read anew. */
  limits(path: string): Limit[] {
    const limits: Limit[] = [];
    for (const each of lineage(path)) {
      using group = this.open(each);
      const limitBytes = group?.limit() ?? null;
      if (group && limitBytes !== null) {
        limits.push({ path: each, limitBytes, leftBytes: Math.max(0, limitBytes - (group.usage() ?? 0)) });
      }
      // Before 5.11 a group of v1 counts towards those above it only where it says so.
      if (group?.hierarchical() === false) break;
    }
    return limits;
  }

  /** The limit with the least room left: the one that will be hit. null: there is none. */
  effectiveLimit(path: string): Limit | null {
    const limits = this.limits(path);
    return limits.length === 0
      ? null
      : limits.reduce((least, limit) => (limit.leftBytes < least.leftBytes ? limit : least));
  }
}

/** One group; its files are opened when first read, and stay open. What is gone reads as undefined. */
export class MemoryCgroup implements Disposable {
  readonly path: string;
  readonly directory: string;
  /** The kernel's id of the cgroup: the inode number of its directory. */
  readonly id: string;
  readonly version: 1 | 2;
  readonly #pressureDirectory: string | undefined;
  readonly #open = new Map<string, SmallFile | undefined>();

  constructor(
    path: string,
    directory: string,
    version: 1 | 2,
    usage: SmallFile,
    pressureDirectory: string | undefined,
  ) {
    this.path = path;
    this.directory = directory;
    this.version = version;
    this.id = inode(directory);
    this.#pressureDirectory = pressureDirectory;
    this.#open.set(`${directory}/${files[version].usage}`, usage);
  }

  /** Bytes charged to it and all beneath it. undefined: it is gone. */
  usage(): number | undefined {
    return this.#number(files[this.version].usage);
  }

  /** Its own limit. null: none. */
  limit(): number | null {
    return limited(this.#number(files[this.version].limit));
  }

  /** v2: above this its tasks are throttled. null: none. */
  high(): number | null {
    return this.version === 2 ? limited(this.#number('memory.high')) : null;
  }

  /** File pages that the kernel would take back first. */
  inactiveFile(): number | undefined {
    const bytes = this.#read('memory.stat');
    return bytes && numberOf(bytes, this.version === 1 ? 'total_inactive_file' : 'inactive_file');
  }

  /** null: swap is not accounted. */
  swap(): number | null {
    if (this.version === 2) return this.#number('memory.swap.current') ?? null;
    const both = this.#number('memory.memsw.usage_in_bytes');
    const usage = this.usage();
    return both === undefined || usage === undefined ? null : Math.max(0, both - usage);
  }

  /** How much of swap it may use; v1: of memory and swap together. null: no limit. */
  swapLimit(): number | null {
    return limited(this.#number(this.version === 2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes'));
  }

  counts(): CgroupCounts {
    const count = (file: string, name: string) => {
      const bytes = this.#read(file);
      return (bytes && numberOf(bytes, name)) ?? null;
    };
    return this.version === 2
      ? {
          high: count('memory.events', 'high'),
          limitHits: count('memory.events', 'max'),
          oomKills: count('memory.events', 'oom_kill'),
        }
      : {
          high: null,
          limitHits: this.#number('memory.failcnt') ?? null,
          oomKills: count('memory.oom_control', 'oom_kill'),
        };
  }

  /** v1 has no pressure of its own: it is that of the group of the same path in the v2 hierarchy, where there is one. */
  pressure(): SystemState['pressure'] {
    if (this.#pressureDirectory === undefined) return null;
    return parsePressure(this.#readAt(`${this.#pressureDirectory}/memory.pressure`)?.toString('latin1'));
  }

  /** Of the same, only how long its tasks were stalled so far: less to read. */
  stalled(): StallTotals | null {
    if (this.#pressureDirectory === undefined) return null;
    return stallTotals(this.#readAt(`${this.#pressureDirectory}/memory.pressure`));
  }

  /** Does its usage count towards the groups above it? */
  hierarchical(): boolean {
    return this.version === 2 || this.#number('memory.use_hierarchy') !== 0;
  }

  close(): void {
    for (const file of this.#open.values()) file?.close();
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #number(file: string): number | undefined {
    const bytes = this.#read(file);
    return bytes && numberAt(bytes);
  }

  #read(file: string): Buffer | undefined {
    return this.#readAt(`${this.directory}/${file}`);
  }

  #readAt(path: string): Buffer | undefined {
    if (!this.#open.has(path)) this.#open.set(path, SmallFile.open(path));
    return this.#open.get(path)?.read();
  }
}

/** The path and those above it, up to "/". */
export function lineage(path: string): string[] {
  const paths = [path];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) paths.push(path.slice(0, at));
  if (path !== '/') paths.push('/');
  return paths;
}

const files = {
  1: { usage: 'memory.usage_in_bytes', limit: 'memory.limit_in_bytes' },
  2: { usage: 'memory.current', limit: 'memory.max' },
} as const;

/** v1 has no word for "no limit": it is LONG_MAX, rounded down to whole pages. v2 says "max". */
function limited(bytes: number | undefined): number | null {
  return bytes === undefined || Number.isNaN(bytes) || bytes >= 2 ** 62 ? null : bytes;
}

function childrenOf(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.includes('\ufffd'))
      .map(({ name }) => name)
      .sort();
  } catch {
    return []; // removed meanwhile
  }
}

function links(directory: string): number {
  return statSync(directory, { throwIfNoEntry: false })?.nlink ?? 0;
}

function inode(directory: string): string {
  try {
    return String(statSync(directory, { bigint: true }).ino);
  } catch {
    return '0';
  }
}
