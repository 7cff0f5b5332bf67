/**
 * Finds and samples the cgroups that the rules name. A cgroup whose usage has not changed is not read completely again.
 */
import { ownerOf } from '../../containers/container-path.ts';
import { CgroupUsage, FULL_PART, isNearlyFull } from '../../linux/cgroup-usage.ts';
import type { Cgroupfs } from '../../linux/cgroupfs.ts';
import type { MemoryCgroup } from '../../linux/memory-cgroup.ts';
import { SmallFile } from '../../linux/small-file.ts';
import type { Container } from '../../model/container.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { GrowthWindow } from '../../series/growth.ts';
import { cgroupAncestors } from '../../text/cgroup-path.ts';
import { globMatch } from '../../text/glob.ts';
import type { Place } from '../rules/rule.ts';
import { averages, nothingMeasured, type PressureFeed, slopeOf, useOf } from './figures.ts';
import type { Limit } from './move-watch.ts';

export interface CgroupTableOptions {
  cgroups: Cgroupfs;
  /** The places of the rules, without `system`. */
  places: readonly Place[];
  pressure?: PressureFeed | undefined;
  /** Reads the attributes `user.oomd_avoid` and `user.oomd_omit` of a cgroup's directory. */
  preference?: ((directory: string) => SampledCgroup['preference']) | undefined;
}

interface Followed {
  files: MemoryCgroup;
  growth: GrowthWindow;
  container: Container | null;
  oomGroup: SmallFile | undefined;
  usage: CgroupUsage;
  latest?: SampledCgroup;
  /** The usage and the limit in the last sample. */
  last?: { usageBytes: number; limitBytes: number | null; atMs: number };
}

/** Interval between searches for new cgroups (ms). */
const DISCOVERY_MS = 500;
/** Interval between readings of the limits of cgroups that had none (ms). */
const LIMITS_MS = 5000;
const MOST_CGROUPS = 512;
/**
 * Reading memory.stat is slow, so it is read again only after usage has changed by `movedBytes`, or after `ageMs`; of a
 * full cgroup after `fullAgeMs`.
 */
const STAT_REFRESH = { movedBytes: 2 ** 20, ageMs: 1000, fullAgeMs: 50 };
const ONE = 0x31;

export class CgroupTable implements Disposable {
  readonly #options: CgroupTableOptions;
  readonly #followed = new Map<string, Followed>();
  /** Whether only cgroups that a rule names by their whole path have to be found. */
  readonly #plain: boolean;
  readonly #limited: boolean;
  #discoverAt = 0;
  #limitsAt = 0;
  #paths: string[] = [];

  constructor(options: CgroupTableOptions) {
    this.#options = options;
    this.#plain = options.places.every((place) => place.kind === 'cgroup' && !/[*?]/.test(place.glob));
    this.#limited = options.places.some(({ kind }) => kind === 'limited');
  }

  sample(nowMs: number): SampledCgroup[] {
    if (this.#options.places.length > 0 && nowMs >= this.#discoverAt) this.#discover(nowMs);
    return [...this.#followed.values()].flatMap((followed) => this.#cgroup(followed, nowMs) ?? []);
  }

  /** The processes' cgroups and ancestors with `memory.oom.group` or an attribute that are not in the sample yet. */
  around(processes: readonly SampledProcess[], { cgroups: known, mono_ms }: Sample): SampledCgroup[] {
    const { cgroups, preference } = this.#options;
    if (cgroups.version !== 2) return [];
    const paths = new Set(processes.flatMap(({ cgroup }) => (cgroup === null ? [] : cgroupAncestors(cgroup))));
    for (const { path } of known) paths.delete(path);
    const found: SampledCgroup[] = [];
    for (const path of paths) {
      const directory = cgroups.directory(path);
      using oomGroup = SmallFile.open(`${directory}/memory.oom.group`);
      const group = oomGroup?.read()?.[0] === ONE;
      if (!group && (preference?.(directory) ?? null) === null) continue;
      using files = cgroups.open(path);
      if (!files) continue;
      const usage = new CgroupUsage(files, STAT_REFRESH);
      const sampled = this.#cgroup({ files, oomGroup, container: null, growth: new GrowthWindow(2), usage }, mono_ms);
      if (sampled) found.push(sampled);
    }
    return found;
  }

  /**
   * By how much usage has grown since the last sample. NaN: unknown, because the cgroup was removed, or because it is
   * nearly full: there the kernel replaces pages of files by other memory, and usage does not change.
   */
  grownBytes(path: string, nowMs: number): number {
    const followed = this.#followed.get(path);
    const usageBytes = followed?.files.usage();
    if (usageBytes === undefined || !followed?.last) return Number.NaN;
    const { limitBytes, usageBytes: before, atMs } = followed.last;
    const outdated = isNearlyFull(usageBytes, limitBytes) && nowMs - atMs > STAT_REFRESH.fullAgeMs;
    return outdated ? Number.NaN : usageBytes - before;
  }

  /**
   * The figures that show within `everyMs` that memory has grown by more than `bytes` since the last sample. In a nearly
   * full cgroup these are parts of memory.stat, see grownBytes(). undefined: the cgroup was removed.
   */
  growths(path: string, bytes: number): Limit[] | undefined {
    const followed = this.#followed.get(path);
    if (!followed?.last || !followed.latest) return undefined;
    const { files, last, latest } = followed;
    const full = (last.limitBytes ?? Number.POSITIVE_INFINITY) * (1 - 1 / FULL_PART);
    if (last.usageBytes < full) {
      const most = Math.min(last.usageBytes + bytes, full);
      return [{ fd: files.usageDescriptor(), name: '', most }];
    }
    const fd = files.statDescriptor();
    const { anon, shmem } = files.statNames;
    const { anon_bytes = 0, shmem_bytes = 0 } = latest.use ?? {};
    const leastMs = STAT_REFRESH.fullAgeMs;
    return [
      { fd, name: anon, most: anon_bytes + bytes / 2, leastMs },
      { fd, name: shmem, most: shmem_bytes + bytes / 2, leastMs },
    ];
  }

  close(): void {
    for (const path of this.#followed.keys()) this.#forget(path);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #cgroup(followed: Followed, nowMs: number): SampledCgroup | undefined {
    const { files, growth, container, latest } = followed;
    const limit = files.limit();
    const usage = followed.usage.read(nowMs, limit);
    if (!usage) return undefined; // the cgroup was removed; the next discovery forgets it
    const { memory, usageBytes: usage_bytes } = usage;
    followed.last = { usageBytes: usage_bytes, limitBytes: limit, atMs: nowMs };
    growth.add(nowMs / 1000, usage_bytes - (memory?.reclaimableBytes ?? 0));
    const { pressure, preference } = this.#options;
    const now = { usage_bytes, limit_bytes: limit, growth_bytes_per_second: slopeOf(growth) };
    if (latest && !usage.refreshed && !pressure) return { ...latest, ...now };
    followed.latest = {
      ...now,
      path: files.path,
      container,
      inactive_file_bytes: usage.inactiveFileBytes,
      reclaimable_bytes: memory?.reclaimableBytes ?? null,
      use: memory ? useOf(memory) : null,
      swap_bytes: files.swap(),
      swap_limit_bytes: swapLimit(files, limit),
      oom_kills: files.counts().oomKills,
      pressure: averages(files.pressure()),
      oom_group: followed.oomGroup?.read()?.[0] === ONE,
      preference: preference?.(files.directory) ?? null,
      ...(pressure?.(files.path) ?? nothingMeasured),
    };
    return followed.latest;
  }

  /** Finds the cgroups that the rules name, and begins to sample them. */
  #discover(nowMs: number): void {
    this.#discoverAt = nowMs + DISCOVERY_MS;
    const { cgroups, places } = this.#options;
    for (const [path, { files }] of this.#followed) {
      if (files.usage() !== undefined) continue;
      this.#forget(path);
      this.#paths = []; // a cgroup was removed, and another one may have been created in its place
    }
    const wanted = new Map<string, Container | null>();
    for (const path of this.#candidates(nowMs)) {
      const container = containerAt(path);
      const isNamed = places.some(
        (place) =>
          (place.kind === 'containers' && container !== null) ||
          (place.kind === 'cgroup' && globMatch(place.glob, path)),
      );
      if ((isNamed || this.#hasLimit(path, nowMs)) && wanted.size < MOST_CGROUPS) wanted.set(path, container);
    }
    if (nowMs >= this.#limitsAt) this.#limitsAt = nowMs + LIMITS_MS;
    for (const path of this.#followed.keys()) if (!wanted.has(path)) this.#forget(path);
    for (const [path, container] of wanted) {
      const files = this.#followed.has(path) ? undefined : cgroups.open(path);
      if (!files) continue;
      const oomGroup = SmallFile.open(`${files.directory}/memory.oom.group`);
      const usage = new CgroupUsage(files, STAT_REFRESH);
      this.#followed.set(path, { files, container, growth: new GrowthWindow(), oomGroup, usage });
    }
  }

  /** The paths to search: all cgroups, or only those that the rules name if no name has a wildcard. */
  #candidates(nowMs: number): string[] {
    const { cgroups, places } = this.#options;
    if (this.#plain) return places.flatMap((place) => (place.kind === 'cgroup' ? [place.glob] : []));
    if (this.#paths.length === 0 || nowMs >= this.#limitsAt || cgroups.stale()) {
      this.#paths = cgroups.paths();
      this.#limitsAt = 0;
    }
    return this.#paths;
  }

  /** Whether a rule watches all cgroups with a limit, and this one has a limit. */
  #hasLimit(path: string, nowMs: number): boolean {
    if (!this.#limited) return false;
    const followed = this.#followed.get(path);
    if (followed) return followed.files.limit() !== null;
    if (nowMs < this.#limitsAt) return false;
    using files = this.#options.cgroups.open(path);
    return files !== undefined && files.limit() !== null;
  }

  #forget(path: string): void {
    const followed = this.#followed.get(path);
    followed?.files.close();
    followed?.oomGroup?.close();
    this.#followed.delete(path);
  }
}

/** On v1, the limit of memory and swap together leaves what the limit of memory does not cover. */
function swapLimit(files: MemoryCgroup, limit: number | null): number | null {
  const most = files.swapLimit();
  if (files.version === 2 || most === null) return most;
  return limit === null ? null : Math.max(0, most - limit);
}

/** The container whose cgroup this is; null: none, or `path` is a descendant of a container's cgroup. */
function containerAt(path: string): Container | null {
  const { container } = ownerOf(path);
  if (!container) return null;
  const above = ownerOf(path.slice(0, path.lastIndexOf('/'))).container;
  return above?.id === container.id ? null : container;
}
