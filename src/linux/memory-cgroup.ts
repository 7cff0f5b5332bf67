import { statSync } from 'node:fs';
import type { SystemState } from '../model/events.ts';
import { parsePressure, parseStallTotals, type StallTotals } from './psi.ts';
import { LineReader, numberAt, numberOf, SmallFile } from './small-file.ts';

/** The kernel's counters of a cgroup since its creation. null: this kernel or cgroup version does not count it. */
export interface CgroupCounts {
  /** The number of times that usage exceeded `memory.high`. */
  high: number | null;
  /** The number of times that usage hit the limit: `max` in memory.events, memory.failcnt on v1. */
  limitHits: number | null;
  /** The number of processes that the OOM killer killed in the cgroup; on v2 also in the cgroups below. */
  oomKills: number | null;
}

/** What the memory of a cgroup, and of the cgroups below it, is used for. Sizes are in bytes. */
export interface CgroupMemory {
  /** Pages of files that were not used lately, which the kernel reclaims first. */
  inactiveFileBytes: number;
  /**
   * What the kernel reclaims before it calls its OOM killer: pages of files, active ones too, and half of the reclaimable
   * slab, of which a part may be in use (as si_mem_available() in mm/show_mem.c). Without shared memory and locked pages.
   */
  reclaimableBytes: number;
  anonBytes: number;
  /** Shared memory and files in a tmpfs. */
  shmemBytes: number;
  /** Memory of the kernel that it cannot reclaim: slab, page tables, stacks, buffers of sockets. */
  kernelBytes: number;
  /** Locked pages, and other pages that the kernel cannot reclaim. */
  unevictableBytes: number;
}

/**
 * The files of one memory cgroup, on v1 and v2: Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst. Each
 * file is opened at its first use and stays open, so that it refers to this cgroup even if a new cgroup gets the same
 * path. After the cgroup was removed, the methods return undefined or null.
 */
export class MemoryCgroup implements Disposable {
  readonly path: string;
  readonly directory: string;
  /** The kernel's id of the cgroup: the inode number of its directory. "0": the cgroup was already removed. */
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
   * @param options.pressure the directory that has memory.pressure: on v1 the cgroup of the same path in the v2
   *   hierarchy, if one is mounted
   * @returns undefined: there is no such cgroup, or it has no memory controller, as the root of v2
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

  /** Bytes charged to the cgroup and to all cgroups below it. undefined: the cgroup has been removed. */
  usage(): number | undefined {
    return this.#number(this.#names.usage);
  }

  /** The descriptor of the file that usage() reads, until close(). */
  usageDescriptor(): number | undefined {
    return this.#file(`${this.directory}/${this.#names.usage}`)?.descriptor;
  }

  /** The descriptor of memory.stat, until close(). */
  statDescriptor(): number | undefined {
    return this.#file(`${this.directory}/memory.stat`)?.descriptor;
  }

  /** The names in memory.stat of the memory that the kernel cannot drop. */
  get statNames(): { anon: string; shmem: string } {
    return this.version === 1 ? { anon: 'total_rss', shmem: 'total_shmem' } : { anon: 'anon', shmem: 'shmem' };
  }

  /** The cgroup's own limit. null: it has no limit. */
  limit(): number | null {
    return limited(this.#number(this.#names.limit));
  }

  /** memory.high of v2: the usage above which the kernel throttles the cgroup's tasks. null: not set, or this is v1. */
  high(): number | null {
    return this.version === 2 ? limited(this.#number('memory.high')) : null;
  }

  /** Bytes of file pages that were not used lately, which the kernel reclaims first. */
  inactiveFile(): number | undefined {
    const bytes = this.#read('memory.stat');
    return bytes && numberOf(bytes, this.version === 1 ? 'total_inactive_file' : 'inactive_file');
  }

  /** What the memory is used for. undefined: memory.stat cannot be read. */
  memory(): CgroupMemory | undefined {
    const bytes = this.#read('memory.stat');
    if (!bytes) return undefined;
    const lines = new LineReader(bytes);
    const of = (name: string) => lines.number(name) ?? 0;
    if (this.version === 1) {
      const found = { anonBytes: of('total_rss'), shmemBytes: of('total_shmem') };
      const inactiveFileBytes = of('total_inactive_file');
      const reclaimableBytes = inactiveFileBytes + of('total_active_file');
      const unevictableBytes = of('total_unevictable');
      const kernelBytes = this.#number('memory.kmem.usage_in_bytes') ?? 0;
      return { ...found, inactiveFileBytes, reclaimableBytes, unevictableBytes, kernelBytes };
    }
    const [anonBytes, kernel] = [of('anon'), lines.number('kernel')]; // `kernel` since Linux 5.18
    const parts = kernel === undefined ? of('kernel_stack') + of('pagetables') + of('percpu') : 0;
    const [sock, shmemBytes, inactiveFileBytes] = [of('sock'), of('shmem'), of('inactive_file')];
    const [activeFile, unevictableBytes, slab] = [of('active_file'), of('unevictable'), of('slab_reclaimable')];
    const own = kernel === undefined ? parts + of('slab_unreclaimable') : Math.max(0, kernel - slab);
    const reclaimableBytes = inactiveFileBytes + activeFile + Math.floor(slab / 2);
    return { anonBytes, shmemBytes, inactiveFileBytes, reclaimableBytes, unevictableBytes, kernelBytes: own + sock };
  }

  /**
   * Memory that was evicted and soon read again, since the cgroup was created, in pages: workingset_activate of
   * workingset_refault() in mm/workingset.c. On v1, which lacks it: all memory that was evicted and read again. null: this
   * kernel does not count it here.
   */
  refaultPages(): number | null {
    const bytes = this.#read('memory.stat');
    if (!bytes) return null;
    const lines = new LineReader(bytes);
    const counter = this.version === 1 ? 'total_workingset_refault' : 'workingset_activate';
    const anon = lines.number(`${counter}_anon`);
    // Before Linux 5.9 there was one counter, for pages of files.
    const file = lines.number(anon === undefined ? counter : `${counter}_file`);
    return anon === undefined && file === undefined ? null : (anon ?? 0) + (file ?? 0);
  }

  /** Bytes in swap. null: the kernel does not account swap. */
  swap(): number | null {
    if (this.version === 2) return this.#number('memory.swap.current') ?? null;
    const both = this.#number('memory.memsw.usage_in_bytes');
    const usage = this.usage();
    return both === undefined || usage === undefined ? null : Math.max(0, both - usage);
  }

  /** The limit of swap; on v1, the limit of memory and swap together. null: there is no limit. */
  swapLimit(): number | null {
    return limited(this.#number(this.version === 2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes'));
  }

  counts(): CgroupCounts {
    return this.version === 2
      ? {
          high: this.#count('memory.events', 'high'),
          limitHits: this.#count('memory.events', 'max'),
          oomKills: this.#count('memory.events', 'oom_kill'),
        }
      : {
          high: null,
          limitHits: this.#number('memory.failcnt') ?? null,
          oomKills: this.#count('memory.oom_control', 'oom_kill'),
        };
  }

  /**
   * Counters about the cgroup's own limit (memory.events.local): how often the kernel looked for a victim because of it, and how often
   * usage hit it. null: cgroup v1.
   */
  localCounts(): { ooms: number | null; limitHits: number | null } {
    return { ooms: this.#count('memory.events.local', 'oom'), limitHits: this.#count('memory.events.local', 'max') };
  }

  /** localCounts().ooms; where the kernel does not have memory.events.local, `oom` of memory.events. */
  ooms(): number | null {
    return this.localCounts().ooms ?? this.#count('memory.events', 'oom');
  }

  pressure(): SystemState['pressure'] {
    return parsePressure(this.#readPressure());
  }

  /** Only the totals of pressure(), which are cheaper to parse. */
  stalled(): StallTotals | null {
    return parseStallTotals(this.#readPressure());
  }

  /** Whether the cgroups above are charged, too. Before Linux 5.11 memory.use_hierarchy of v1 can disable this. */
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

  #count(file: string, name: string): number | null {
    const bytes = this.#read(file);
    return (bytes && numberOf(bytes, name)) ?? null;
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

/**
 * Without a limit, the file of v2 contains "max", and the file of v1 contains LONG_MAX, rounded down to whole pages.
 */
function limited(bytes: number | undefined): number | null {
  return bytes === undefined || Number.isNaN(bytes) || bytes >= 2 ** 62 ? null : bytes;
}

/**
 * The inode number of a cgroup's directory, which is the kernel's id of the cgroup. "0": there is no such directory.
 */
export function inode(directory: string): string {
  try {
    return String(statSync(directory, { bigint: true }).ino);
  } catch {
    return '0';
  }
}
