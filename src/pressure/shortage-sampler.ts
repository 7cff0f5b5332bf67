/** Reads the samples for the judge of shortages: of the system, and of the memory cgroups that have a limit. */
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { parseMeminfo } from '../linux/meminfo.ts';
import type { MemoryCgroup } from '../linux/memory-cgroup.ts';
import { pageBytes } from '../linux/page-size.ts';
import { parseStallTotals, type StallTotals } from '../linux/psi.ts';
import { LineReader, SmallFile } from '../linux/small-file.ts';
import type { ShortageSample } from './shortage-verdict.ts';

export interface ShortageSamplerOptions {
  proc?: string;
  /** undefined: only the system is sampled. */
  cgroups: Cgroupfs | undefined;
  /** The stalled times of a cgroup, from BPF programs. Default: the kernel's PSI files, which v1 may not have. */
  stalled?: ((path: string) => StallTotals | null) | undefined;
}

/** The most cgroups that are considered; cgroups near the root come first. */
const MOST_GROUPS = 4096;
/** Cgroups are listed, and limits are read again, at this interval (ms). */
const LISTED_MS = 1000;
/** Cgroups without a limit are looked at again after this time (ms). */
const UNLIMITED_MS = 15_000;
/** Below this share of its limit, a cgroup is not short: the expensive files are not read. */
const HALF = 0.5;

interface Group {
  cgroup: MemoryCgroup;
  limitBytes: number;
  kills: boolean;
  totals: StallTotals | null;
  /** Whether the last pass has read `totals`. */
  measured: boolean;
  shown: { someNs: number; fullNs: number };
  refaultBytes: number | null;
  oomKills: number | null;
}

export class ShortageSampler implements Disposable {
  readonly #options: ShortageSamplerOptions;
  readonly #meminfo: SmallFile | undefined;
  readonly #pressure: SmallFile | undefined;
  readonly #vmstat: SmallFile | undefined;
  readonly #groups = new Map<string, Group>();
  readonly #unlimited = new Set<string>();
  #listedMs = Number.NEGATIVE_INFINITY;
  #allListedMs = Number.NEGATIVE_INFINITY;
  #swap = { totalBytes: 0, freeBytes: 0 };
  #system: { someNs: number; refaultBytes: number | null; oomKills: number | null } | undefined;

  constructor(options: ShortageSamplerOptions) {
    const { proc = '/proc' } = options;
    this.#options = options;
    this.#meminfo = SmallFile.open(`${proc}/meminfo`);
    this.#pressure = SmallFile.open(`${proc}/pressure/memory`);
    this.#vmstat = SmallFile.open(`${proc}/vmstat`);
  }

  /** @param ms the time by a clock that does not jump */
  sample(ms: number): ShortageSample[] {
    const system = this.#readSystem();
    if (ms - this.#listedMs >= LISTED_MS) this.#list(ms, system?.limitBytes ?? Number.POSITIVE_INFINITY);
    const samples = system ? [system] : [];
    for (const [path, group] of this.#groups) {
      const usage = group.cgroup.usage();
      if (usage === undefined) this.#forget(path);
      else samples.push(this.#readGroup(path, group, usage));
    }
    return samples;
  }

  close(): void {
    for (const path of [...this.#groups.keys()]) this.#forget(path);
    this.#meminfo?.close();
    this.#pressure?.close();
    this.#vmstat?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readSystem(): ShortageSample | undefined {
    const meminfo = parseMeminfo(this.#meminfo?.read());
    if (!meminfo) return undefined;
    const { totalBytes, availableBytes, swapTotalBytes, swapFreeBytes } = meminfo;
    this.#swap = { totalBytes: swapTotalBytes, freeBytes: swapFreeBytes };
    const totals = parseStallTotals(this.#pressure?.read());
    const someNs = totals && totals.someUs * 1000;
    // Without a stall there was neither a refault that matters nor an OOM kill.
    if (!this.#system || someNs === null || someNs !== this.#system.someNs) {
      this.#system = { someNs: someNs ?? 0, ...this.#readVmstat() };
    }
    const { refaultBytes, oomKills } = this.#system;
    return {
      ...{ path: '/', id: null, limitBytes: totalBytes, kills: true, unreclaimableBytes: totalBytes - availableBytes },
      ...{ swapLeftBytes: swapFreeBytes, someNs, fullNs: totals && totals.fullUs * 1000, refaultBytes, oomKills },
    };
  }

  #readVmstat(): { refaultBytes: number | null; oomKills: number | null } {
    const bytes = this.#vmstat?.read();
    if (!bytes) return { refaultBytes: null, oomKills: null };
    const lines = new LineReader(bytes);
    const anon = lines.number('workingset_activate_anon');
    const file = lines.number(anon === undefined ? 'workingset_activate' : 'workingset_activate_file');
    const refaultBytes = file === undefined ? null : ((anon ?? 0) + file) * pageBytes();
    return { refaultBytes, oomKills: lines.number('oom_kill') ?? null };
  }

  #readGroup(path: string, group: Group, usage: number): ShortageSample {
    const { cgroup, limitBytes, kills, shown } = group;
    const about = { path, id: cgroup.id, limitBytes, kills, swapLeftBytes: this.#swapLeft(group) };
    const facts = { ...about, refaultBytes: group.refaultBytes, oomKills: group.oomKills };
    if (usage < HALF * limitBytes) {
      group.measured = false;
      const known = group.totals !== null;
      return {
        ...facts,
        unreclaimableBytes: usage,
        someNs: known ? shown.someNs : null,
        fullNs: known ? shown.fullNs : null,
      };
    }
    const moved = this.#readStalls(path, group);
    if (moved || group.oomKills === null) {
      const pages = cgroup.refaultPages();
      facts.refaultBytes = group.refaultBytes = pages === null ? null : pages * pageBytes();
      facts.oomKills = group.oomKills = cgroup.counts().oomKills;
    }
    const unreclaimableBytes = Math.max(0, usage - (cgroup.memory()?.reclaimableBytes ?? 0));
    const fullNs = Number.isNaN(shown.fullNs) ? null : shown.fullNs;
    return { ...facts, unreclaimableBytes, someNs: group.totals && shown.someNs, fullNs: group.totals && fullNs };
  }

  /** Adds the stalled time since the last pass. After passes without a reading, that time is not known to be recent. */
  #readStalls(path: string, group: Group): boolean {
    const { totals: before, measured, shown } = group;
    const totals = this.#options.stalled ? this.#options.stalled(path) : group.cgroup.stalled();
    group.totals = totals;
    group.measured = true;
    if (!totals || !before) return true;
    if (measured) {
      shown.someNs += (totals.someUs - before.someUs) * 1000;
      shown.fullNs += (totals.fullUs - before.fullUs) * 1000;
    }
    return totals.someUs !== before.someUs;
  }

  #swapLeft({ cgroup, limitBytes }: Group): number {
    const { totalBytes, freeBytes } = this.#swap;
    if (totalBytes === 0) return 0;
    const used = cgroup.swap();
    const limit = cgroup.swapLimit();
    if (used === null) return freeBytes;
    const most = limit === null ? Number.POSITIVE_INFINITY : cgroup.version === 1 ? limit - limitBytes : limit;
    return Math.max(0, Math.min(freeBytes, most - used));
  }

  /** Opens new cgroups that have a limit, and reads the limits again. */
  #list(ms: number, memoryBytes: number): void {
    this.#listedMs = ms;
    const { cgroups } = this.#options;
    for (const [path, group] of this.#groups) if (!readLimit(group, memoryBytes)) this.#forget(path);
    const isAll = ms - this.#allListedMs >= UNLIMITED_MS;
    if (!cgroups || !(isAll || cgroups.stale())) return;
    if (isAll) {
      this.#allListedMs = ms;
      this.#unlimited.clear();
    }
    for (const path of cgroups.paths(MOST_GROUPS)) {
      if (path === '/' || this.#groups.has(path) || this.#unlimited.has(path)) continue;
      const cgroup = cgroups.open(path);
      if (!cgroup) continue;
      const shown = { someNs: 0, fullNs: 0 };
      const rest = { totals: null, measured: false, shown, refaultBytes: null, oomKills: null };
      const group = { cgroup, limitBytes: 0, kills: true, ...rest };
      if (readLimit(group, memoryBytes)) this.#groups.set(path, group);
      else {
        cgroup.close();
        this.#unlimited.add(path);
      }
    }
  }

  #forget(path: string): void {
    this.#groups.get(path)?.cgroup.close();
    this.#groups.delete(path);
  }
}

/** Reads the limit of a cgroup. @returns false: it has none, or one that is never reached */
function readLimit(group: Group, memoryBytes: number): boolean {
  const limit = group.cgroup.limit() ?? Number.POSITIVE_INFINITY;
  const high = group.cgroup.high() ?? Number.POSITIVE_INFINITY;
  group.limitBytes = Math.min(limit, high);
  group.kills = limit <= high; // at memory.high, the kernel throttles tasks and kills none
  return group.limitBytes > 0 && group.limitBytes < memoryBytes;
}
