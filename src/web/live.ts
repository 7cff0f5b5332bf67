/**
 * Samples the machine and its cgroups once a second while a browser is connected, and sends what changed. Without a
 * browser it reads two files each five seconds, for the chart of the last minutes.
 */
import { ownerOf as ownerByPath } from '../containers/container-path.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { readMeminfo } from '../linux/meminfo.ts';
import type { MemoryCgroup } from '../linux/memory-cgroup.ts';
import { parseStallTotals } from '../linux/psi.ts';
import { SmallFile } from '../linux/small-file.ts';
import { type CgroupOwner, shortId } from '../model/container.ts';
import { GrowthWindow } from '../series/growth.ts';
import type { Group, Machine, Next, Now } from './wire.ts';

export interface LiveOptions {
  /** Called with each message while a browser is connected. */
  send: (now: Now) => void;
  /** The owner of a cgroup, with the names that are known. */
  ownerOf?: (path: string) => CgroupOwner;
  /** The processes that the kernel would kill next. Not called while nobody listens. */
  next?: () => Next[];
  cgroups?: Cgroupfs | undefined;
}

const BUSY_MS = 1000;
const IDLE_MS = 5000;
/** Samples of the machine that are kept: ten minutes at one a second. */
const KEPT = 600;
const MOST_GROUPS = 5000;
/** Growth is computed from this many samples, some seconds. */
const GROWTH_SAMPLES = 10;
/** The list of cgroups, their limits, and the processes are read at each of so many samples. */
const SLOW = 5;
/** A cgroup that is smaller and did not change is read only with the slow samples. */
const SMALL_BYTES = 2 ** 20;
/** Smaller changes are not sent. */
const MOVED_BYTES = 64 * 1024;

interface Known {
  cgroup: MemoryCgroup;
  group: Group;
  growth: GrowthWindow;
  sentBytes: number;
  sentGrowth: number | null;
  moved: boolean;
}

export class Live implements Disposable {
  /** The last minutes, the oldest first. */
  readonly past: Machine[] = [];
  readonly #options: LiveOptions;
  readonly #cgroups: Cgroupfs | undefined;
  readonly #pressure = SmallFile.open('/proc/pressure/memory');
  readonly #known = new Map<string, Known>();
  #keys = 0;
  #samples = 0;
  #next: Next[] = [];
  #stalled: { atMs: number; someUs: number; fullUs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #listeners = 0;
  #isListed = false;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#cgroups = options.cgroups ?? Cgroupfs.find();
  }

  start(): void {
    this.#machine();
    this.#schedule();
  }

  /** The first message for a browser: everything. */
  whole(): Now {
    if (!this.#isListed) this.#list();
    const machine = this.past.at(-1) ?? this.#machine();
    return { machine, groups: this.#groups(), next: this.#next };
  }

  /** Tells that a browser is connected, so that samples are taken once a second. @returns what ends it */
  listen(): () => void {
    this.#listeners++;
    if (this.#listeners === 1) {
      this.#list();
      this.#next = this.#options.next?.() ?? [];
      this.#schedule();
    }
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#listeners--;
      if (this.#listeners === 0) this.#rest();
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#pressure?.close();
    this.#forgetAll();
  }

  #schedule(): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), this.#listeners > 0 ? BUSY_MS : IDLE_MS);
    this.#timer.unref();
  }

  /** Nobody listens: closes the files of the cgroups. */
  #rest(): void {
    this.#forgetAll();
    this.#schedule();
  }

  #forgetAll(): void {
    for (const { cgroup } of this.#known.values()) cgroup.close();
    this.#known.clear();
    this.#isListed = false;
  }

  #tick(): void {
    const machine = this.#machine();
    if (this.#listeners === 0) return;
    const isSlow = this.#samples++ % SLOW === SLOW - 1;
    if (isSlow) this.#next = this.#options.next?.() ?? [];
    const slow = isSlow ? { next: this.#next } : {};
    if (isSlow && this.#list()) this.#options.send({ machine, groups: this.#groups(), ...slow });
    else this.#options.send({ machine, changed: this.#read(isSlow), ...slow });
  }

  #machine(): Machine {
    const memory = readMeminfo();
    const timeMs = Date.now();
    const atMs = performance.now();
    const totals = parseStallTotals(this.#pressure?.read());
    const before = this.#stalled;
    const share = (us: number, beforeUs: number | undefined) =>
      before === undefined || beforeUs === undefined
        ? null
        : Math.min(1, (us - beforeUs) / 1000 / (atMs - before.atMs));
    const machine: Machine = {
      timeMs,
      total: memory?.totalBytes ?? 0,
      available: memory?.availableBytes ?? 0,
      free: memory?.freeBytes ?? 0,
      swapTotal: memory?.swapTotalBytes ?? 0,
      swapFree: memory?.swapFreeBytes ?? 0,
      some: totals ? share(totals.someUs, before?.someUs) : null,
      full: totals ? share(totals.fullUs, before?.fullUs) : null,
    };
    if (totals) this.#stalled = { atMs, ...totals };
    this.past.push(machine);
    if (this.past.length > KEPT) this.past.shift();
    return machine;
  }

  /** Lists the cgroups again. @returns whether one was created or removed */
  #list(): boolean {
    if (!this.#cgroups) return false;
    if (this.#isListed && !this.#cgroups.stale()) return false;
    const paths = new Set(this.#cgroups.paths(MOST_GROUPS));
    let changed = !this.#isListed;
    this.#isListed = true;
    for (const [path, { cgroup }] of this.#known) {
      if (paths.has(path)) continue;
      cgroup.close();
      this.#known.delete(path);
      changed = true;
    }
    for (const path of paths) {
      if (this.#known.has(path) || path === '/') continue;
      if (this.#begin(path)) changed = true;
    }
    return changed;
  }

  #begin(path: string): boolean {
    const cgroup = this.#cgroups?.open(path);
    if (!cgroup) return false;
    const usage = cgroup.usage() ?? 0;
    const { ownerOf = ownerByPath } = this.#options;
    const group: Group = {
      key: this.#keys++,
      path,
      parent: -1,
      name: nameOf(path, ownerOf(path)),
      usage,
      limit: cgroup.limit(),
      growth: null,
      kills: cgroup.counts().oomKills,
    };
    const growth = new GrowthWindow(GROWTH_SAMPLES);
    growth.add(performance.now() / 1000, usage);
    this.#known.set(path, { cgroup, group, growth, sentBytes: usage, sentGrowth: null, moved: true });
    return true;
  }

  #groups(): Group[] {
    return [...this.#known.values()].map(({ group }) => {
      const above = group.path.slice(0, group.path.lastIndexOf('/'));
      return { ...group, parent: this.#known.get(above)?.group.key ?? -1 };
    });
  }

  /** Reads the usage of the cgroups. @param isSlow also of those that are small, and the limits */
  #read(isSlow: boolean): NonNullable<Now['changed']> {
    const seconds = performance.now() / 1000;
    const changed: NonNullable<Now['changed']> = [];
    for (const known of this.#known.values()) {
      const { cgroup, group, growth } = known;
      if (!isSlow && !known.moved && group.usage < SMALL_BYTES) continue;
      const usage = cgroup.usage();
      if (usage === undefined) continue; // removed: the next listing notices
      known.moved = usage !== group.usage;
      group.usage = usage;
      if (isSlow) group.limit = cgroup.limit();
      growth.add(seconds, usage);
      const slope = growth.count > 2 ? (growth.slope()?.perSecond ?? null) : null;
      group.growth = slope === null ? null : Math.round(slope);
      const grew = Math.abs((group.growth ?? 0) - (known.sentGrowth ?? 0));
      if (Math.abs(usage - known.sentBytes) < MOVED_BYTES && grew < MOVED_BYTES) continue;
      known.sentBytes = usage;
      known.sentGrowth = group.growth;
      changed.push([group.key, usage, group.growth, group.limit]);
    }
    return changed;
  }
}

function nameOf(path: string, { container, pod, unit }: CgroupOwner): string {
  const last = path.slice(path.lastIndexOf('/') + 1);
  if (container && last.includes(container.id)) return container.name ?? shortId(container.id);
  if (pod?.name && last.includes(pod.uid.replaceAll('-', '_'))) return pod.name;
  return unit !== null && last === unit ? unit : last;
}
