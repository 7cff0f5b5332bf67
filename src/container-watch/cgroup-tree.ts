/**
 * Samples the tree of memory cgroups, with the memory usage of each cgroup, once or repeatedly.
 */
import type { ContainerResolver } from '../containers/container-resolver.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readMeminfo } from '../linux/meminfo.ts';
import type { MemoryCgroup } from '../linux/memory-cgroup.ts';
import { parsePressure } from '../linux/psi.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import { readSmallFile } from '../linux/small-file.ts';
import type { CgroupNode } from '../model/cgroup-tree.ts';
import { GrowthWindow } from '../series/growth.ts';
import { cgroupAncestors } from '../text/cgroup-path.ts';

/** How many samples are kept to compute growth. */
const GROWTH_SAMPLES = 10;
const MOST_GROUPS = 16_384;

interface Known {
  group: MemoryCgroup;
  growth: GrowthWindow;
  /** The number of OOM kills at the first sample: in the cgroup, and on v2 also in its descendants. */
  killsBefore: number;
}

export class CgroupTree implements Disposable {
  readonly #cgroups: Cgroupfs;
  readonly #containers: ContainerResolver;
  readonly #known = new Map<string, Known>();
  #samples = 0;

  constructor(cgroups: Cgroupfs, containers: ContainerResolver) {
    this.#cgroups = cgroups;
    this.#containers = containers;
  }

  /** @param top path of the cgroup at the root of the tree. @returns undefined: there is no such cgroup */
  sample(top = '/'): CgroupNode | undefined {
    const under = top === '/' ? '/' : `${top}/`;
    const paths = this.#cgroups.paths(MOST_GROUPS).filter((path) => path === top || path.startsWith(under));
    if (!paths.includes(top)) return undefined;
    const nodes = new Map<string, CgroupNode>();
    for (const path of paths) {
      const node = this.#read(path);
      if (node) nodes.set(path, node);
    }
    for (const path of this.#known.keys()) if (!nodes.has(path)) this.#forget(path);
    // Parents come before their children. If a cgroup has no memory controller, its children are added to its nearest
    // ancestor.
    for (const [path, node] of nodes) {
      const parent = cgroupAncestors(path)
        .slice(1)
        .find((above) => nodes.has(above));
      if (path !== top && parent !== undefined) nodes.get(parent)?.children.push(node);
    }
    const root = nodes.get(top);
    if (root && this.#cgroups.version === 1) sumKills(root);
    this.#samples++;
    return root;
  }

  [Symbol.dispose](): void {
    for (const path of this.#known.keys()) this.#forget(path);
  }

  #read(path: string): CgroupNode | undefined {
    if (path === '/') return this.#readRoot();
    const known = this.#known.get(path) ?? this.#open(path);
    const usage = known?.group.usage();
    if (!known || usage === undefined) {
      this.#forget(path);
      return undefined;
    }
    const { group, growth } = known;
    const limit = group.limit();
    const used = Math.max(0, usage - (group.inactiveFile() ?? 0));
    const kills = group.counts().oomKills;
    growth.add(performance.now() / 1000, usage);
    return {
      path,
      ...this.#containers.ownerOf(path),
      usage_bytes: usage,
      working_set_bytes: used,
      limit_bytes: limit,
      full: limit === null ? null : limit === 0 ? 1 : used / limit,
      some_avg10: group.pressure()?.some.avg10 ?? null,
      oom_kills: kills,
      oom_kills_seen: (kills ?? 0) - known.killsBefore,
      growth_bytes_per_second: growth.count > 2 ? Math.round(growth.slope()?.perSecond ?? 0) : null,
      children: [],
    };
  }

  /**
   * Reads the whole machine from /proc/meminfo: the root cgroup of v2 has no memory files, and in v1 they are
   * incomplete.
   */
  #readRoot(): CgroupNode {
    const meminfo = readMeminfo();
    const usage = meminfo ? meminfo.totalBytes - meminfo.freeBytes : 0;
    // Usage is computed as for cgroups. If it were total minus available memory, a cgroup could use more than the
    // machine.
    const inactiveKib = Number(/^Inactive\(file\): +(\d+) kB$/m.exec(readIfPresent('/proc/meminfo') ?? '')?.[1] ?? 0);
    const kills = Number(/^oom_kill (\d+)$/m.exec(readIfPresent('/proc/vmstat') ?? '')?.[1]);
    if (this.#samples === 0) this.#rootKillsBefore = kills;
    return {
      ...{ path: '/', unit: null, pod: null, container: null, children: [] },
      usage_bytes: usage,
      working_set_bytes: Math.max(0, usage - inactiveKib * 1024),
      limit_bytes: meminfo?.totalBytes ?? null,
      full: meminfo ? 1 - meminfo.availableBytes / meminfo.totalBytes : null,
      some_avg10: parsePressure(readSmallFile('/proc/pressure/memory'))?.some.avg10 ?? null,
      oom_kills: Number.isNaN(kills) ? null : kills,
      oom_kills_seen: Number.isNaN(kills) ? 0 : kills - this.#rootKillsBefore,
      growth_bytes_per_second: null,
    };
  }

  #rootKillsBefore = 0;

  #open(path: string): Known | undefined {
    const group = this.#cgroups.open(path);
    if (!group) return undefined;
    // In a cgroup that was created after the first sample, all kills are new.
    const killsBefore = this.#samples === 0 ? (group.counts().oomKills ?? 0) : 0;
    const known = { group, growth: new GrowthWindow(GROWTH_SAMPLES), killsBefore };
    this.#known.set(path, known);
    return known;
  }

  #forget(path: string): void {
    this.#known.get(path)?.group.close();
    this.#known.delete(path);
  }
}

/**
 * Adds the kills of descendants, because v1 counts kills per cgroup. The root's count already covers the whole
 * machine.
 */
function sumKills(node: CgroupNode): void {
  for (const child of node.children) {
    sumKills(child);
    if (node.path === '/' || child.oom_kills === null) continue;
    node.oom_kills = (node.oom_kills ?? 0) + child.oom_kills;
    node.oom_kills_seen += child.oom_kills_seen;
  }
}
