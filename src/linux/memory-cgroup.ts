import { statSync } from 'node:fs';
import type { SystemState } from '../model/events.ts';
import { parsePressure, parseStallTotals, type StallTotals } from './psi.ts';
import { numberAt, numberOf, SmallFile } from './small-file.ts';

/** What the kernel has counted for a cgroup since it was made. null: this kernel or cgroup version does not count it. */
export interface CgroupCounts {
  /** Allocations above `memory.high`. */
  high: number | null;
  /** How often usage hit the limit: `max` of memory.events, memory.failcnt on v1. */
  limitHits: number | null;
  /** Processes that the OOM killer killed; on v2 also in the cgroups below. */
  oomKills: number | null;
}

/**
 * The files of one memory cgroup, on v1 and v2: Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst. Each is
 * opened when it is first read, and stays open: it belongs to this cgroup even when another takes its path. A removed cgroup
 * reads as undefined or null.
 */
export class MemoryCgroup implements Disposable {
  readonly path: string;
  readonly directory: string;
  /** The kernel's id of the cgroup: the inode number of its directory, "0" when it is gone. */
  readonly id: string;
  readonly version: 1 | 2;
  readonly #pressureDirectory: string | undefined;
  readonly #open = new Map<string, SmallFile | undefined>();

  private constructor(options: { path: string; directory: string; version: 1 | 2; pressure: string | undefined }) {
    this.path = options.path;
    this.directory = options.directory;
    this.version = options.version;
    this.#pressureDirectory = options.pressure;
    this.id = inode(options.directory);
  }

  /**
   * @param options.pressure the directory that has memory.pressure: on v1 the cgroup of the same path in the v2 hierarchy,
   *   if one is mounted
   * @returns undefined when there is no such cgroup, or it has no memory controller (as the root of v2)
   */
  static open(options: {
    path: string;
    directory: string;
    version: 1 | 2;
    pressure: string | undefined;
  }): MemoryCgroup | undefined {
    const cgroup = new MemoryCgroup(options);
    if (cgroup.#file(`${cgroup.directory}/${cgroup.#names.usage}`)) return cgroup;
    cgroup.close();
    return undefined;
  }

  /** Bytes charged to it and all below it. undefined: it is gone. */
  usage(): number | undefined {
    return this.#number(this.#names.usage);
  }

  /** Its own limit. null: none. */
  limit(): number | null {
    return limited(this.#number(this.#names.limit));
  }

  /** v2: above this size its tasks are throttled. null: no such size. */
  high(): number | null {
    return this.version === 2 ? limited(this.#number('memory.high')) : null;
  }

  /** Bytes of file pages that were not used lately, which the kernel reclaims first. */
  inactiveFile(): number | undefined {
    const bytes = this.#read('memory.stat');
    return bytes && numberOf(bytes, this.version === 1 ? 'total_inactive_file' : 'inactive_file');
  }

  /** Bytes in swap. null: the kernel does not account swap. */
  swap(): number | null {
    if (this.version === 2) return this.#number('memory.swap.current') ?? null;
    const both = this.#number('memory.memsw.usage_in_bytes');
    const usage = this.usage();
    return both === undefined || usage === undefined ? null : Math.max(0, both - usage);
  }

  /** How much swap it may use; on v1, how much memory and swap together. null: no limit. */
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

  pressure(): SystemState['pressure'] {
    return parsePressure(this.#readPressure());
  }

  /** Of the pressure only the totals: less to parse. */
  stalled(): StallTotals | null {
    return parseStallTotals(this.#readPressure());
  }

  /** Does its usage count towards the cgroups above it? Before 5.11 a group of v1 may say no. */
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

  get #names() {
    return names[this.version];
  }

  #number(file: string): number | undefined {
    const bytes = this.#read(file);
    return bytes && numberAt(bytes);
  }

  #read(file: string): Buffer | undefined {
    return this.#file(`${this.directory}/${file}`)?.read();
  }

  #readPressure(): Buffer | undefined {
    return this.#pressureDirectory === undefined
      ? undefined
      : this.#file(`${this.#pressureDirectory}/memory.pressure`)?.read();
  }

  #file(path: string): SmallFile | undefined {
    if (!this.#open.has(path)) this.#open.set(path, SmallFile.open(path));
    return this.#open.get(path);
  }
}

const names = {
  1: { usage: 'memory.usage_in_bytes', limit: 'memory.limit_in_bytes' },
  2: { usage: 'memory.current', limit: 'memory.max' },
} as const;

/** v2 writes "max" for no limit; v1 has no word for it and writes LONG_MAX, rounded down to whole pages. */
function limited(bytes: number | undefined): number | null {
  return bytes === undefined || Number.isNaN(bytes) || bytes >= 2 ** 62 ? null : bytes;
}

/** The inode number of a cgroup's directory, which is the kernel's id of the cgroup; "0" when it is gone. */
export function inode(directory: string): string {
  try {
    return String(statSync(directory, { bigint: true }).ino);
  } catch {
    return '0';
  }
}
