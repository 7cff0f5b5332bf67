/**
 * Samples the system, the memory cgroups and the processes together: how much memory each uses, how fast the usage
 * grows, and how long tasks are stalled. A cgroup whose usage has not changed is not read completely again, so that a
 * pass over an idle machine is cheap.
 */
import { ownerOf } from '../containers/container-path.ts';
import { CgroupUsage } from '../linux/cgroup-usage.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { parseMeminfo, readMeminfo } from '../linux/meminfo.ts';
import type { MemoryCgroup } from '../linux/memory-cgroup.ts';
import { parseStallTotals, type StallTotals } from '../linux/psi.ts';
import { SmallFile } from '../linux/small-file.ts';
import { noOwner } from '../model/container.ts';
import type { PressureSubject, ProcessUsage } from '../model/pressure.ts';
import { GrowthWindow } from '../series/growth.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { cgroupAncestors } from '../text/cgroup-path.ts';
import { ProcessGrowth } from './process-growth.ts';
import { ProcessSampler, type ProcessSource } from './process-sampler.ts';
import { StallMeter } from './stall-meter.ts';

export interface SurveyOptions {
  proc?: string;
  /** undefined: only the system is sampled. Default: the hierarchy that has the memory controller. */
  cgroups?: Cgroupfs | undefined;
  /** Default: the processes in `proc`. It must use the same clock as `now`. close() closes it as well. */
  processes?: ProcessSource;
  /** A clock that does not jump, in milliseconds. Default performance.now(). */
  now?: () => number;
  /**
   * The stalled times from a PressureMonitor, which also measures cgroups of v1. A subject that is missing was never
   * stalled. Default: the kernel's PSI files.
   */
  pressure?: (() => Iterable<StalledSubject>) | undefined;
  /** The most cgroups that are sampled; cgroups near the root come first. Default 256. */
  mostGroups?: number;
}

/** The part of PressureTotals that the survey uses. */
export interface StalledSubject {
  subject: PressureSubject;
  some_ns: number;
  full_ns: number | null;
}

/** The state of the system or of one cgroup at the last pass. Each pass changes the object in place. */
export interface Reading {
  readonly subject: PressureSubject;
  /** MemTotal − MemAvailable; for a cgroup, usage without inactive file pages. */
  usedBytes: number;
  /** MemTotal, or the cgroup's own limit. null: the cgroup has no limit, or it is larger than MemTotal. */
  limitBytes: number | null;
  /**
   * Memory that is left until the first limit is hit: the limit of the cgroup or of an ancestor, or the memory of the
   * system.
   */
  availableBytes: number;
  /** The share of the time since the previous pass in which at least one task was stalled. null: unknown. */
  some: number | null;
  full: number | null;
  readonly growth: GrowthWindow;
}

interface SurveyedGroup {
  reading: Reading;
  cgroup: MemoryCgroup;
  usage: CgroupUsage;
}

/** Every fifth pass reads limits again, and lists all cgroups even if no link count has changed. */
const DISCOVERY_PASSES = 5;
const EVERY_MOVE = { movedBytes: 0, ageMs: Number.POSITIVE_INFINITY };

export class Survey implements Disposable {
  readonly system: Reading & { swapTotalBytes: number; swapFreeBytes: number };
  readonly groups = new Map<string, Reading>();
  /** Cgroups that were removed before the last pass. */
  gone: Reading[] = [];
  readonly #cgroups: Cgroupfs | undefined;
  readonly #processes: ProcessGrowth;
  readonly #now: () => number;
  readonly #monitored: SurveyOptions['pressure'];
  readonly #most: number;
  readonly #meminfo: SmallFile | undefined;
  readonly #pressure: SmallFile | undefined;
  readonly #surveyed = new Map<string, SurveyedGroup>();
  readonly #stalls = new StallMeter();
  #pass = 0;

  constructor(options: SurveyOptions = {}) {
    const { proc = '/proc', now = () => performance.now() } = options;
    this.#cgroups = 'cgroups' in options ? options.cgroups : Cgroupfs.find();
    this.#monitored = options.pressure;
    this.#now = now;
    const swap = (readMeminfo(proc)?.swapTotalBytes ?? 0) > 0;
    this.#processes = new ProcessGrowth(options.processes ?? new ProcessSampler({ proc, swap, now }));
    this.#most = options.mostGroups ?? 256;
    this.#meminfo = SmallFile.open(`${proc}/meminfo`);
    this.#pressure = SmallFile.open(`${proc}/pressure/memory`);
    const subject = { scope: 'system', path: '/', id: null, ...noOwner } as const;
    this.system = { ...emptyReading(subject), swapTotalBytes: 0, swapFreeBytes: 0 };
  }

  /** Makes one pass. @returns the time of the pass, by the clock of the option `now` */
  sample(): number {
    const nowMs = this.#now();
    const monitored =
      this.#monitored && new Map([...this.#monitored()].map((each) => [subjectKey(each.subject), each]));
    this.#readSystem(nowMs, monitored);
    this.#readGroups(nowMs, monitored);
    this.#processes.sample();
    this.#pass++;
    return nowMs;
  }

  /** The largest processes of a subject, the largest first. */
  top(subject: PressureSubject, most: number): ProcessUsage[] {
    return this.#processes.top(subject, most);
  }

  /** The processes of a subject that grow, the fastest first. */
  growers(subject: PressureSubject, most: number): ProcessUsage[] {
    return this.#processes.growers(subject, most);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    this.#meminfo?.close();
    this.#pressure?.close();
    for (const { cgroup } of this.#surveyed.values()) cgroup.close();
    this.#surveyed.clear();
    this.#processes.close();
  }

  #readSystem(nowMs: number, monitored: Monitored): void {
    const { system } = this;
    const meminfo = parseMeminfo(this.#meminfo?.read());
    if (meminfo) {
      const { totalBytes, availableBytes, swapTotalBytes, swapFreeBytes } = meminfo;
      const usedBytes = totalBytes - availableBytes;
      Object.assign(system, { limitBytes: totalBytes, availableBytes, usedBytes, swapTotalBytes, swapFreeBytes });
      system.growth.add(nowMs / 1000, usedBytes);
    }
    this.#share(system, monitored ? totalsOf(system, monitored) : parseStallTotals(this.#pressure?.read()), nowMs);
  }

  #readGroups(nowMs: number, monitored: Monitored): void {
    const discovery = this.#pass % DISCOVERY_PASSES === 0;
    if (discovery || this.#cgroups?.stale()) this.#discover();
    this.gone = [];
    for (const [path, { reading, cgroup, usage }] of this.#surveyed) {
      const now = usage.read(nowMs);
      if (!now) {
        this.#forget(path);
        continue;
      }
      if (discovery) reading.limitBytes = within(cgroup.limit(), this.system.limitBytes);
      reading.usedBytes = now.usedBytes;
      reading.growth.add(nowMs / 1000, now.usedBytes);
      // If the usage of a cgroup has not changed and is below half the limit, no task is stalled: PSI need not be read.
      const full = reading.limitBytes !== null && reading.usedBytes > reading.limitBytes / 2;
      if (monitored) this.#share(reading, totalsOf(reading, monitored), nowMs);
      else if (now.refreshed || full) this.#share(reading, cgroup.stalled(), nowMs);
      else if (reading.some !== null) reading.some = reading.full = 0;
    }
    for (const [path, reading] of this.groups) reading.availableBytes = this.#left(path);
  }

  #discover(): void {
    for (const path of this.#cgroups?.paths(this.#most) ?? []) {
      if (path === '/' || this.#surveyed.has(path)) continue;
      const cgroup = this.#cgroups?.open(path);
      if (!cgroup) continue;
      const reading = emptyReading({ scope: 'cgroup', path, id: cgroup.id, ...ownerOf(path) });
      reading.limitBytes = within(cgroup.limit(), this.system.limitBytes);
      this.#surveyed.set(path, { reading, cgroup, usage: new CgroupUsage(cgroup, EVERY_MOVE) });
      this.groups.set(path, reading);
    }
  }

  #forget(path: string): void {
    const group = this.#surveyed.get(path);
    if (!group) return;
    this.gone.push(group.reading);
    group.cgroup.close();
    this.#stalls.forget(subjectKey(group.reading.subject));
    this.#surveyed.delete(path);
    this.groups.delete(path);
  }

  /** The least memory that is left under the limits of this cgroup, of the cgroups above it, and of the system. */
  #left(path: string): number {
    let left = this.system.availableBytes;
    for (const each of cgroupAncestors(path)) {
      const above = this.groups.get(each);
      if (above && above.limitBytes !== null) left = Math.min(left, Math.max(0, above.limitBytes - above.usedBytes));
    }
    return left;
  }

  #share(reading: Reading, totals: StallTotals | null, nowMs: number): void {
    const share = this.#stalls.next(subjectKey(reading.subject), totals, nowMs);
    if (share) Object.assign(reading, share);
  }
}

type Monitored = ReadonlyMap<string, StalledSubject> | undefined;

function totalsOf({ subject }: Reading, monitored: ReadonlyMap<string, StalledSubject>): StallTotals {
  const { some_ns, full_ns } = monitored.get(subjectKey(subject)) ?? { some_ns: 0, full_ns: 0 };
  return { someUs: some_ns / 1000, fullUs: full_ns === null ? Number.NaN : full_ns / 1000 };
}

function emptyReading(subject: PressureSubject): Reading {
  const growth = new GrowthWindow();
  return { subject, usedBytes: 0, limitBytes: null, availableBytes: 0, some: null, full: null, growth };
}

/** Returns null for a limit that is larger than all memory, because it is never hit. */
function within(limit: number | null, all: number | null): number | null {
  return limit !== null && all !== null && limit < all ? limit : null;
}
