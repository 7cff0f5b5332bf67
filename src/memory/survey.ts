/**
 * Where the memory is and where it is going: the system, every memory cgroup and the processes, sampled together. What has
 * not moved is not read again in full, so a pass costs little on a machine where little happens.
 */

import { ownerOf } from '../containers/container-path.ts';
import { Cgroupfs, lineage, type MemoryCgroup } from '../linux/cgroupfs.ts';
import { numberOf, SmallFile } from '../linux/small-file.ts';
import { type StallTotals, stallTotals } from '../linux/stall-totals.ts';
import { readMeminfo } from '../linux/system.ts';
import { noOwner } from '../model/container.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import { GrowthWindow } from '../series/growth.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { largest, type ProcessSample, ProcessSampler, type ProcessSource } from './process-sampler.ts';

export interface SurveyOptions {
  proc?: string;
  /** undefined: none, only the system. By default the memory controller's. */
  cgroups?: Cgroupfs | undefined;
  /** By default from /proc. Its samples have the time of `now`. */
  processes?: ProcessSource;
  /** Milliseconds of a clock that does not jump. Default performance.now(). */
  now?: () => number;
  /**
   * How long tasks were stalled, by a monitor of pressure: it knows that of every cgroup, where v1 has none. By default from
   * the kernel's PSI files.
   */
  pressure?: (() => Iterable<StalledSubject>) | undefined;
  /** Groups that are followed at most, those nearest to the root first. Default 256. */
  mostGroups?: number;
}

/** Of `PressureMonitor.totals()`. */
export interface StalledSubject {
  subject: PressureSubject;
  some_ns: number;
  full_ns: number | null;
}

/** The system or one cgroup, as of the last pass. */
export interface Reading {
  readonly subject: PressureSubject;
  /** In use and not given back for the asking: MemTotal - MemAvailable; usage without inactive file pages. */
  usedBytes: number;
  /** Its own limit; the system's is all its memory. null: none, or more than the system has. */
  limitBytes: number | null;
  /** What is left before something runs out, be it its own limit, one above it, or the system. */
  availableBytes: number;
  /** Shares of the time since the pass before; null: not known. */
  some: number | null;
  full: number | null;
  readonly growth: GrowthWindow;
}

/** Limits are read anew, and groups looked for whatever the number of directories, in every fifth pass. */
const DISCOVERY_PASSES = 5;
const GROWTH_SAMPLES = 30;
/** Of processes: those that hold less are not followed, nor more than so many. */
const FOLLOWED_BYTES = 2 ** 20;
const MOST_FOLLOWED = 512;

export class Survey implements Disposable {
  readonly system: Reading & { swapTotalBytes: number; swapFreeBytes: number };
  readonly groups = new Map<string, Reading>();
  /** Of groups that were there in the pass before. */
  gone: Reading[] = [];
  readonly #cgroups: Cgroupfs | undefined;
  readonly #processes: ProcessSource;
  readonly #now: () => number;
  readonly #monitored: SurveyOptions['pressure'];
  readonly #most: number;
  readonly #meminfo: SmallFile | undefined;
  readonly #pressure: SmallFile | undefined;
  readonly #files = new Map<string, MemoryCgroup>();
  readonly #inactive = new Map<string, { usage: number; inactive: number }>();
  readonly #stalls = new Map<string, StallTotals & { atMs: number }>();
  readonly #followed = new Map<number, { startTicks: number; growth: GrowthWindow }>();
  #latest: ReadonlyMap<number, ProcessSample> = new Map();
  #pass = 0;

  constructor(options: SurveyOptions = {}) {
    const proc = options.proc ?? '/proc';
    this.#cgroups = 'cgroups' in options ? options.cgroups : Cgroupfs.find();
    this.#monitored = options.pressure;
    this.#now = options.now ?? (() => performance.now());
    const swap = (readMeminfo(proc)?.swap_total_bytes ?? 0) > 0;
    this.#processes = options.processes ?? new ProcessSampler({ proc, swap, now: this.#now });
    this.#most = options.mostGroups ?? 256;
    this.#meminfo = SmallFile.open(`${proc}/meminfo`);
    this.#pressure = SmallFile.open(`${proc}/pressure/memory`);
    const subject = { scope: 'system', path: '/', id: null, ...noOwner } as const;
    this.system = { ...reading(subject), swapTotalBytes: 0, swapFreeBytes: 0 };
  }

  /** One pass. @returns when it was, by the clock that was given */
  sample(): number {
    const nowMs = this.#now();
    const monitored =
      this.#monitored && new Map([...this.#monitored()].map((each) => [subjectKey(each.subject), each]));
    this.#readSystem(nowMs, monitored);
    this.#readGroups(nowMs, monitored);
    this.#readProcesses();
    this.#pass++;
    return nowMs;
  }

  /** The largest processes of a subject. */
  top(subject: PressureSubject, most: number): ProcessUsage[] {
    return largest(this.#of(subject), most).map((process) => this.#usage(process));
  }

  /** Those of its processes that grow the most, the fastest first. */
  growers(subject: PressureSubject, most: number): ProcessUsage[] {
    return [...this.#of(subject)]
      .map((process) => this.#usage(process))
      .filter(({ growth_bytes_per_second: speed }) => speed !== null && speed > 0)
      .sort((a, b) => (b.growth_bytes_per_second ?? 0) - (a.growth_bytes_per_second ?? 0))
      .slice(0, most);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    this.#meminfo?.close();
    this.#pressure?.close();
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    this.#processes.close();
  }

  #readSystem(nowMs: number, monitored: Monitored): void {
    const { system } = this;
    const meminfo = this.#meminfo?.read();
    if (meminfo) {
      const bytes = (name: string) => (numberOf(meminfo, name) ?? 0) * 1024;
      system.limitBytes = bytes('MemTotal:');
      system.availableBytes = bytes('MemAvailable:');
      system.usedBytes = system.limitBytes - system.availableBytes;
      system.swapTotalBytes = bytes('SwapTotal:');
      system.swapFreeBytes = bytes('SwapFree:');
      system.growth.add(nowMs / 1000, system.usedBytes);
    }
    this.#share(system, '', monitored ? totalsOf(system, monitored) : stallTotals(this.#pressure?.read()), nowMs);
  }

  #readGroups(nowMs: number, monitored: Monitored): void {
    const discovery = this.#pass % DISCOVERY_PASSES === 0;
    if (discovery || this.#cgroups?.stale()) this.#discover();
    this.gone = [];
    for (const [path, file] of this.#files) {
      const group = this.groups.get(path) as Reading;
      const usage = file.usage();
      if (usage === undefined) {
        this.#forget(path);
        continue;
      }
      if (discovery) group.limitBytes = within(file.limit(), this.system.limitBytes);
      const before = this.#inactive.get(path);
      const moved = before?.usage !== usage;
      if (moved) {
        const inactive = file.inactiveFile() ?? 0;
        this.#inactive.set(path, { usage, inactive });
        group.usedBytes = Math.max(0, usage - inactive);
      }
      group.growth.add(nowMs / 1000, group.usedBytes);
      const full = group.limitBytes !== null && group.usedBytes > group.limitBytes / 2;
      if (monitored) this.#share(group, path, totalsOf(group, monitored), nowMs);
      else if (moved || full) this.#share(group, path, file.stalled(), nowMs);
      else if (group.some !== null) group.some = group.full = 0;
    }
    for (const [path, group] of this.groups) group.availableBytes = this.#left(path);
  }

  #discover(): void {
    for (const path of this.#cgroups?.paths(this.#most) ?? []) {
      if (path === '/' || this.#files.has(path)) continue;
      const file = this.#cgroups?.open(path);
      if (!file) continue;
      this.#files.set(path, file);
      const limitBytes = within(file.limit(), this.system.limitBytes);
      this.groups.set(path, { ...reading({ scope: 'cgroup', path, id: file.id, ...ownerOf(path) }), limitBytes });
    }
  }

  #forget(path: string): void {
    this.gone.push(this.groups.get(path) as Reading);
    this.#files.get(path)?.close();
    for (const map of [this.#files, this.groups, this.#inactive, this.#stalls]) map.delete(path);
  }

  /** The least that is left on the way up. */
  #left(path: string): number {
    let left = this.system.availableBytes;
    for (const each of lineage(path)) {
      const above = this.groups.get(each);
      if (above && above.limitBytes !== null) left = Math.min(left, Math.max(0, above.limitBytes - above.usedBytes));
    }
    return left;
  }

  #share(target: Reading, key: string, totals: StallTotals | null, atMs: number): void {
    const before = this.#stalls.get(key);
    if (totals) this.#stalls.set(key, { ...totals, atMs });
    if (!totals || !before || atMs <= before.atMs) return;
    const us = (atMs - before.atMs) * 1000;
    target.some = Math.min(1, (totals.someUs - before.someUs) / us);
    target.full = Number.isNaN(totals.fullUs) ? null : Math.min(1, (totals.fullUs - before.fullUs) / us);
  }

  #readProcesses(): void {
    this.#latest = this.#processes.sample();
    for (const [pid, { startTicks }] of this.#followed) {
      if (this.#latest.get(pid)?.startTicks !== startTicks) this.#followed.delete(pid);
    }
    for (const process of this.#latest.values()) {
      let followed = this.#followed.get(process.pid);
      if (!followed) {
        if (process.rssBytes < FOLLOWED_BYTES || this.#followed.size >= MOST_FOLLOWED) continue;
        followed = { startTicks: process.startTicks, growth: new GrowthWindow(GROWTH_SAMPLES) };
        this.#followed.set(process.pid, followed);
      }
      followed.growth.add(process.readMs / 1000, process.rssBytes + (process.swapBytes ?? 0));
    }
  }

  *#of({ scope, path }: PressureSubject): Generator<ProcessSample> {
    for (const process of this.#latest.values()) {
      if (process.kernelThread) continue;
      if (scope === 'system' || process.cgroup === path || process.cgroup?.startsWith(`${path}/`)) yield process;
    }
  }

  #usage(process: ProcessSample): ProcessUsage {
    const slope = this.#followed.get(process.pid)?.growth.slope();
    return {
      pid: process.pid,
      start_ticks: process.startTicks,
      comm: process.comm,
      cgroup: process.cgroup,
      ...ownerOf(process.cgroup),
      rss_bytes: process.rssBytes,
      swap_bytes: process.swapBytes,
      growth_bytes_per_second: slope ? Math.round(slope.perSecond) : null,
    };
  }
}

type Monitored = ReadonlyMap<string, StalledSubject> | undefined;

/** Who is not in it was never stalled. */
function totalsOf({ subject }: Reading, monitored: ReadonlyMap<string, StalledSubject>): StallTotals {
  const { some_ns, full_ns } = monitored.get(subjectKey(subject)) ?? { some_ns: 0, full_ns: 0 };
  return { someUs: some_ns / 1000, fullUs: full_ns === null ? Number.NaN : full_ns / 1000 };
}

function reading(subject: PressureSubject): Reading {
  const growth = new GrowthWindow(GROWTH_SAMPLES);
  return { subject, usedBytes: 0, limitBytes: null, availableBytes: 0, some: null, full: null, growth };
}

function within(limit: number | null, all: number | null): number | null {
  return limit !== null && all !== null && limit < all ? limit : null;
}
