/**
 * Samples the machine for the guard. It reads the levels of memory often, from files that stay open, and processes only
 * when one may have to be killed. It samples only the cgroups that the rules name.
 */
import { ownerOf } from '../../containers/container-path.ts';
import { CgroupUsage } from '../../linux/cgroup-usage.ts';
import { Cgroupfs } from '../../linux/cgroupfs.ts';
import { parseMeminfo } from '../../linux/meminfo.ts';
import type { MemoryCgroup } from '../../linux/memory-cgroup.ts';
import { parsePressure } from '../../linux/psi.ts';
import { numberOf, SmallFile } from '../../linux/small-file.ts';
import type { Container } from '../../model/container.ts';
import {
  SAMPLE_SCHEMA,
  type Sample,
  type SampledCgroup,
  type SampledProcess,
  type SampledSystem,
} from '../../model/sample.ts';
import { GrowthWindow } from '../../series/growth.ts';
import { cgroupAncestors } from '../../text/cgroup-path.ts';
import { globMatch } from '../../text/glob.ts';
import { FOLLOW_MS, worthFollowing } from '../rules/pace.ts';
import type { Place, Rule } from '../rules/rule.ts';
import { ProcessTable } from './process-table.ts';

/** Returns the pressure that oomscope has measured in the cgroup at `path`; "/" is the system. */
export type PressureFeed = (path: string) => Pick<SampledSystem, 'windows' | 'fruitless_rounds'> | undefined;

export interface SamplerOptions {
  rules: readonly Rule[];
  pressure?: PressureFeed | undefined;
  /** Read command lines, even if no rule matches them. */
  cmdline?: boolean | undefined;
  /** Reads the attributes `user.oomd_avoid` and `user.oomd_omit` of a cgroup's directory. */
  preference?: ((directory: string) => SampledCgroup['preference']) | undefined;
  proc?: string;
  cgroups?: Cgroupfs | undefined;
  now?: () => number;
}

interface Followed {
  files: MemoryCgroup;
  growth: GrowthWindow;
  container: Container | null;
  oomGroup: SmallFile | undefined;
  usage: CgroupUsage;
}

/** Interval between searches for new cgroups (ms). */
const DISCOVERY_MS = 500;
const MOST_CGROUPS = 512;
/** Reading memory.stat is slow, so it is read again only after usage has changed by `movedBytes`, or after `ageMs`. */
const STAT_REFRESH = { movedBytes: 2 ** 20, ageMs: 1000 };

export class Sampler implements Disposable {
  readonly #options: SamplerOptions;
  readonly #now: () => number;
  readonly #cgroups: Cgroupfs | undefined;
  readonly #table: ProcessTable;
  readonly #meminfo: SmallFile | undefined;
  readonly #pressure: SmallFile | undefined;
  readonly #vmstat: SmallFile | undefined;
  readonly #uptime: SmallFile | undefined;
  readonly #growth = new GrowthWindow();
  readonly #followed = new Map<string, Followed>();
  readonly #places: Place[];
  #discoverAt = 0;
  #followAt = 0;
  /** Whether swap is in use. */
  #swapped = true;

  constructor(options: SamplerOptions) {
    const { proc = '/proc', rules } = options;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#cgroups = 'cgroups' in options ? options.cgroups : Cgroupfs.find();
    this.#places = rules.flatMap(({ on }) => on).filter(({ kind }) => kind !== 'system');
    const matches = rules.flatMap(({ preferences, never }) => [...preferences.map(({ match }) => match), ...never]);
    this.#table = new ProcessTable({
      proc,
      cmdline: options.cmdline ?? matches.some(({ cmdline }) => cmdline !== undefined),
      exe: matches.some(({ exe }) => exe !== undefined),
      oomScore: rules.some(({ rank }) => rank === 'oom_score'),
    });
    this.#meminfo = SmallFile.open(`${proc}/meminfo`);
    this.#pressure = SmallFile.open(`${proc}/pressure/memory`);
    this.#vmstat = SmallFile.open(`${proc}/vmstat`);
    this.#uptime = SmallFile.open(`${proc}/uptime`);
  }

  /**
   * A sample without the process list. If a rule ranks by growth and memory is shrinking, processes are scanned anyway,
   * because growth needs earlier scans.
   */
  levels(): Sample {
    const nowMs = this.#now();
    if (this.#places.length > 0 && nowMs >= this.#discoverAt) this.#discover(nowMs);
    const sample: Sample = {
      schema: SAMPLE_SCHEMA,
      mono_ms: nowMs,
      time: new Date().toISOString(),
      system: this.#system(nowMs),
      cgroups: [...this.#followed.values()].flatMap((followed) => this.#cgroup(followed, nowMs) ?? []),
      processes: null,
    };
    if (nowMs >= this.#followAt && worthFollowing(this.#options.rules, sample)) this.#scan(nowMs);
    return sample;
  }

  /**
   * A sample with all processes, and with the cgroups that they are in. Without `levels`, the levels are read after the
   * processes: if a process exits in between, it is still in the list, but its memory already counts as available.
   */
  whole(levels?: Sample): Sample {
    const processes = this.#scan(this.#now());
    const found = levels ?? this.levels();
    const uptime = this.#uptime?.read();
    const since = uptime && { uptime_seconds: Number(uptime.toString('latin1').split(' ')[0]) };
    return { ...found, ...since, processes, cgroups: [...found.cgroups, ...this.#around(processes, found)] };
  }

  /** One process, read again; undefined: the process has exited. */
  process(pid: number): SampledProcess | undefined {
    return this.#table.read(pid, this.#now());
  }

  /** Number of processes that the kernel's OOM killer has killed since boot. null: unknown. */
  kernelKills(): number | null {
    const bytes = this.#vmstat?.read();
    return (bytes && numberOf(bytes, 'oom_kill')) ?? null;
  }

  /** The directory of a cgroup. undefined: no memory controller is mounted. */
  directoryOf(path: string): string | undefined {
    return this.#cgroups?.directory(path);
  }

  close(): void {
    for (const { files, oomGroup } of this.#followed.values()) {
      files.close();
      oomGroup?.close();
    }
    this.#followed.clear();
    for (const file of [this.#meminfo, this.#pressure, this.#vmstat, this.#uptime]) file?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #scan(nowMs: number): SampledProcess[] {
    this.#followAt = nowMs + FOLLOW_MS;
    return this.#table.scan(nowMs, this.#swapped);
  }

  #system(nowMs: number): SampledSystem {
    const meminfo = parseMeminfo(this.#meminfo?.read());
    const system = {
      total_bytes: meminfo?.totalBytes ?? 0,
      available_bytes: meminfo?.availableBytes ?? 0,
      anon_bytes: meminfo?.anonBytes ?? 0,
      swap_total_bytes: meminfo?.swapTotalBytes ?? 0,
      swap_free_bytes: meminfo?.swapFreeBytes ?? 0,
    };
    this.#swapped = system.swap_free_bytes < system.swap_total_bytes;
    this.#growth.add(nowMs / 1000, -(system.available_bytes + system.swap_free_bytes));
    return {
      ...system,
      pressure: averages(parsePressure(this.#pressure?.read())),
      growth_bytes_per_second: slopeOf(this.#growth),
      ...(this.#options.pressure?.('/') ?? nothingMeasured),
    };
  }

  #cgroup(followed: Followed, nowMs: number): SampledCgroup | undefined {
    const { files, growth, container } = followed;
    const usage = followed.usage.read(nowMs);
    if (!usage) return undefined; // the cgroup was removed; the next discovery forgets it
    growth.add(nowMs / 1000, usage.usedBytes);
    return {
      path: files.path,
      container,
      usage_bytes: usage.usageBytes,
      limit_bytes: files.limit(),
      inactive_file_bytes: usage.inactiveFileBytes,
      swap_bytes: files.swap(),
      swap_limit_bytes: files.version === 2 ? files.swapLimit() : null,
      oom_kills: files.counts().oomKills,
      pressure: averages(files.pressure()),
      growth_bytes_per_second: slopeOf(growth),
      ...this.#attributes(followed),
      ...(this.#options.pressure?.(files.path) ?? nothingMeasured),
    };
  }

  #attributes({ oomGroup, files }: Followed): Pick<SampledCgroup, 'oom_group' | 'preference'> {
    return {
      oom_group: oomGroup?.read()?.[0] === ONE,
      preference: this.#options.preference?.(files.directory) ?? null,
    };
  }

  /** Finds the cgroups that the rules name, and begins to sample them. */
  #discover(nowMs: number): void {
    this.#discoverAt = nowMs + DISCOVERY_MS;
    const cgroups = this.#cgroups;
    if (!cgroups) return;
    const wanted = new Map<string, Container | null>();
    for (const path of this.#candidates(cgroups)) {
      const container = containerAt(path);
      const isWanted = this.#places.some(
        (place) =>
          (place.kind === 'containers' && container !== null) ||
          (place.kind === 'cgroup' && globMatch(place.glob, path)),
      );
      if (isWanted && wanted.size < MOST_CGROUPS) wanted.set(path, container);
    }
    for (const [path, { files, oomGroup }] of this.#followed) {
      if (wanted.has(path) && files.usage() !== undefined) continue;
      files.close();
      oomGroup?.close();
      this.#followed.delete(path);
    }
    for (const [path, container] of wanted) {
      if (!this.#followed.has(path)) this.#follow(cgroups, path, container);
    }
  }

  #follow(cgroups: Cgroupfs, path: string, container: Container | null): void {
    const files = cgroups.open(path);
    if (!files) return;
    this.#followed.set(path, {
      files,
      container,
      growth: new GrowthWindow(),
      oomGroup: SmallFile.open(`${files.directory}/memory.oom.group`),
      usage: new CgroupUsage(files, STAT_REFRESH),
    });
  }

  /** The paths to search: all cgroups, or only those that the rules name if no name has a wildcard. */
  #candidates(cgroups: Cgroupfs): string[] {
    const plain = this.#places.every((place) => place.kind === 'cgroup' && !/[*?]/.test(place.glob));
    return plain ? this.#places.flatMap((place) => (place.kind === 'cgroup' ? [place.glob] : [])) : cgroups.paths();
  }

  /** The processes' cgroups and ancestors with `memory.oom.group` or an attribute that are not in the sample yet. */
  #around(processes: readonly SampledProcess[], { cgroups: known, mono_ms }: Sample): SampledCgroup[] {
    const cgroups = this.#cgroups;
    if (cgroups?.version !== 2) return [];
    const paths = new Set(processes.flatMap(({ cgroup }) => (cgroup === null ? [] : cgroupAncestors(cgroup))));
    for (const { path } of known) paths.delete(path);
    const found: SampledCgroup[] = [];
    for (const path of paths) {
      const directory = cgroups.directory(path);
      using oomGroup = SmallFile.open(`${directory}/memory.oom.group`);
      const group = oomGroup?.read()?.[0] === ONE;
      const preference = this.#options.preference?.(directory) ?? null;
      if (!group && preference === null) continue;
      using files = cgroups.open(path);
      if (!files) continue;
      const followed = {
        files,
        oomGroup,
        container: null,
        growth: new GrowthWindow(2),
        usage: new CgroupUsage(files, STAT_REFRESH),
      };
      const sampled = this.#cgroup(followed, mono_ms);
      if (sampled) found.push(sampled);
    }
    return found;
  }
}

const ONE = 0x31;
const nothingMeasured = { windows: [], fruitless_rounds: null };

/** The container whose cgroup this is; null: none, or `path` is a descendant of a container's cgroup. */
function containerAt(path: string): Container | null {
  const { container } = ownerOf(path);
  if (!container) return null;
  const above = ownerOf(path.slice(0, path.lastIndexOf('/'))).container;
  return above?.id === container.id ? null : container;
}

function averages(found: ReturnType<typeof parsePressure>): SampledSystem['pressure'] {
  if (!found) return null;
  const { some, full } = found;
  const of = ({ avg10, avg60, avg300 }: typeof some) => ({ avg10, avg60, avg300 });
  return { some: of(some), full: of(full) };
}

function slopeOf(growth: GrowthWindow): number | null {
  return growth.count < 3 ? null : Math.round(growth.slope()?.perSecond ?? 0);
}
