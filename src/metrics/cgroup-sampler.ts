/**
 * Reads memory and pressure of containers and units at intervals, in slices of a millisecond, so that no event waits
 * for the files of a thousand cgroups. A scrape reads no file of a cgroup: it gets what the last pass has found.
 */
import { readdirSync } from 'node:fs';
import { containerCgroup } from '../containers/container-path.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import type { MemoryCgroup } from '../linux/memory-cgroup.ts';
import type { CgroupOwner } from '../model/container.ts';
import { GrowthWindow } from '../series/growth.ts';
import { hasOwner, labelsOf, type OwnerOptions } from './owner.ts';
import type { Labels, Registry } from './registry.ts';

/** Longest time without a break (ms), and the break. */
const SLICE_MS = 1;
const BREAK_MS = 5;
/** Most directories of one pass, and most cgroups with metrics of their own. */
const MOST_DIRECTORIES = 20_000;
const MOST_SUBJECTS = 1_000;
/** Samples for the growth: two minutes at an interval of ten seconds. */
const SAMPLES = 12;

export interface CgroupSamplerOptions extends OwnerOptions {
  cgroups: Cgroupfs;
  registry: Registry;
  /** The owner of a cgroup, with the names that are known. */
  ownerOf: (path: string) => CgroupOwner;
  /** Containers and units without a limit and with less memory than this have no series. */
  floorBytes: number;
}

/** A cgroup that has metrics. */
interface Subject {
  id: string;
  pass: number;
  growth: GrowthWindow;
  /** PSI totals (µs) that are counted already. */
  someUs: number;
  fullUs: number;
}

/** What is known about the cgroups with the same labels. */
interface Sums {
  labels: Labels;
  usage: number;
  limit: number | null;
  headroom: number | null;
  growth: number | null;
}

export class CgroupSampler {
  readonly #options: CgroupSamplerOptions;
  readonly #subjects = new Map<string, Subject>();
  #pass = 0;
  #spentMs = 0;

  constructor(options: CgroupSamplerOptions) {
    this.#options = options;
  }

  /** The number of cgroups with metrics of their own. */
  get size(): number {
    return this.#subjects.size;
  }

  /** Reads all cgroups once. @param signal ends the pass early; then the values of the last pass remain */
  async sample(signal: AbortSignal): Promise<void> {
    this.#spentMs = 0;
    const sums = new Map<string, Sums>();
    const steps = this.#steps(sums);
    for (let done = false; !done; ) {
      const from = performance.now();
      while (!done && performance.now() - from < SLICE_MS) done = steps.next().done === true;
      this.#spentMs += performance.now() - from;
      if (!done) await new Promise((resolve) => setTimeout(resolve, BREAK_MS));
      if (signal.aborted) return;
    }
    this.#publish(sums);
  }

  /** Breadth first, so that the limits of the pass leave out what is deep. Each step takes some 50 µs. */
  *#steps(sums: Map<string, Sums>): Generator<void> {
    const { cgroups } = this.#options;
    this.#pass++;
    const waiting = ['/'];
    for (let next = 0; next < waiting.length && next < MOST_DIRECTORIES; next++) {
      const parent = waiting[next] as string;
      for (const name of childrenOf(cgroups.directory(parent))) {
        const path = parent === '/' ? `/${name}` : `${parent}/${name}`;
        const owner = this.#options.ownerOf(path);
        const isContainer = owner.container !== null && containerCgroup(path, owner.container.id) === path;
        if (isContainer || path.endsWith(`/${owner.unit}`)) this.#read(path, owner, sums);
        // Below the cgroup of a container, its processes choose the names.
        if (!isContainer) waiting.push(path);
        yield;
      }
      yield;
    }
    for (const [path, { pass }] of this.#subjects) if (pass !== this.#pass) this.#subjects.delete(path);
  }

  #read(path: string, owner: CgroupOwner, sums: Map<string, Sums>): void {
    const labels = labelsOf(owner, this.#options);
    if (!hasOwner(labels) || labels.unit?.endsWith('.slice')) return;
    using cgroup = this.#options.cgroups.open(path);
    const usage = cgroup?.usage();
    if (!cgroup || usage === undefined) return;
    const limit = cgroup.limit();
    const known = this.#subjects.get(path);
    // Once it has series, it keeps them: a line in a graph that comes and goes at the floor tells nothing.
    const isSmall = known === undefined && limit === null && usage < this.#options.floorBytes;
    if (isSmall || (known === undefined && this.#subjects.size >= MOST_SUBJECTS)) return;
    const subject = known?.id === cgroup.id ? known : this.#begin(path, cgroup);
    subject.pass = this.#pass;
    subject.growth.add(performance.now() / 1000, usage);
    this.#countPressure(subject, cgroup, labels);
    const used = limit === null ? usage : Math.max(0, usage - (cgroup.inactiveFile() ?? 0));
    const headroom = limit === null ? null : Math.max(0, limit - used);
    add(sums, labels, { usage, limit, headroom, growth: subject.growth.slope()?.perSecond ?? null });
  }

  #begin(path: string, cgroup: MemoryCgroup): Subject {
    // What happened before the first pass is not counted: the counters begin with this process.
    const before = this.#pass === 1 ? cgroup.stalled() : null;
    const { someUs = 0, fullUs = 0 } = before ?? {};
    const subject = { id: cgroup.id, pass: this.#pass, growth: new GrowthWindow(SAMPLES), someUs, fullUs };
    this.#subjects.set(path, subject);
    return subject;
  }

  /** Adds differences, because a sum over cgroups would fall when one of them is removed. */
  #countPressure(subject: Subject, cgroup: MemoryCgroup, labels: Labels): void {
    const totals = cgroup.stalled();
    if (!totals) return;
    const { registry } = this.#options;
    if (totals.someUs > subject.someUs) registry.add('ownerWaiting', labels, (totals.someUs - subject.someUs) / 1e6);
    if (totals.fullUs > subject.fullUs) registry.add('ownerStalled', labels, (totals.fullUs - subject.fullUs) / 1e6);
    Object.assign(subject, totals);
  }

  #publish(sums: ReadonlyMap<string, Sums>): void {
    const { registry } = this.#options;
    for (const key of ['usage', 'limit', 'headroom', 'growth'] as const) {
      registry.clear(key);
      for (const { labels, [key]: value } of sums.values()) if (value !== null) registry.set(key, value, labels);
    }
    registry.set('passSeconds', this.#spentMs / 1000);
  }
}

function add(sums: Map<string, Sums>, labels: Labels, one: Omit<Sums, 'labels'>): void {
  const key = Object.values(labels).join('\0');
  const sum = sums.get(key);
  if (!sum) {
    sums.set(key, { labels, ...one });
    return;
  }
  sum.usage += one.usage;
  // The limit of several is known only if each has one.
  sum.limit = sum.limit === null || one.limit === null ? null : sum.limit + one.limit;
  if (one.headroom !== null) sum.headroom = Math.min(sum.headroom ?? one.headroom, one.headroom);
  if (one.growth !== null) sum.growth = (sum.growth ?? 0) + one.growth;
}

function childrenOf(directory: string): string[] {
  try {
    const all = readdirSync(directory, { withFileTypes: true });
    return all.filter((entry) => entry.isDirectory() && !entry.name.includes('�')).map(({ name }) => name);
  } catch {
    return []; // removed meanwhile
  }
}
