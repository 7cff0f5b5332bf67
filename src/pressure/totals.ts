import type { BpfMap } from '../bpf/libbpf/index.ts';
import { PressureGroup, PressureSlot, SlotRunning } from '../bpf/wire/layout.ts';
import type { StallTotals } from '../linux/psi.ts';
import { levelNames } from '../model/level.ts';
import type { PressureLevelName, PressureSubject, PressureWindow, StallNs } from '../model/pressure.ts';
import { shares, stallNs } from './records.ts';

/** The pressure on one subject since the monitor was opened. */
export interface PressureTotals {
  /** The system or the cgroup. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The shares that the BPF programs computed last; all 0 if no task of the subject has been stalled lately. */
  windows: PressureWindow[];
  /** The time in which at least one task was stalled. It is an average over CPUs, weighted as in PSI. */
  some_ns: number;
  /**
   * The time in which tasks were stalled and no task could run, averaged likewise. null: the hooks cannot measure it.
   */
  full_ns: number | null;
  /** The number of stalls that have ended. */
  stalls: number;
  /** The sum of the lengths of these stalls, by cause. */
  stall_ns: StallNs;
  /** The number of tasks that are stalled now. */
  stalled_now: number;
}

export interface TotalsOptions {
  windowsMs: readonly number[];
  /** Whether the hooks in use can measure `full`. */
  full: boolean;
  /** The subject for a cgroup id; 0: the system. */
  subject: (id: bigint) => PressureSubject;
}

/** If a cgroup is not found, the map is searched again after this time (ms), in case the record about it was lost. */
const SEARCH_MS = 1000;

/** Reads what the BPF programs have accounted, from their map of groups. */
export class GroupTotals {
  readonly #groups: BpfMap;
  readonly #options: TotalsOptions;
  /** The keys of the map, by cgroup id. */
  readonly #keys = new Map<bigint, Buffer>();
  #searchedMs = Number.NEGATIVE_INFINITY;

  constructor(groups: BpfMap, options: TotalsOptions) {
    this.#groups = groups.prepare();
    this.#options = options;
  }

  /** The totals of all groups, those of the system first. Takes some µs for each. */
  all(): PressureTotals[] {
    const found = new Map<bigint, PressureTotals>();
    const entries = this.#groups.entries();
    const now = process.hrtime.bigint();
    for (const { value } of entries) {
      const view = viewOf(value);
      const group = new PressureGroup(view, 0);
      // 0: no task of this subject was ever stalled
      if (group.last_stall_ns !== 0n) found.set(group.id, this.#totals(view, group, now));
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, totals]) => totals);
  }

  /**
   * The shares of one group, which costs one look-up. undefined: no task of it was ever stalled.
   *
   * @param id the cgroup's id; 0: the system
   */
  windows(id: bigint): PressureWindow[] | undefined {
    const value = this.#value(id);
    return value && this.#windows(new PressureGroup(viewOf(value), 0));
  }

  /**
   * The stalled times of one group, which cost one look-up. undefined: no task of it was ever stalled.
   *
   * @param id the cgroup's id; 0: the system
   */
  stalled(id: bigint): StallTotals | undefined {
    const value = this.#value(id);
    if (!value) return undefined;
    const view = viewOf(value);
    const group = new PressureGroup(view, 0);
    const open = sinceLastPeriod(view, process.hrtime.bigint());
    const fullUs = this.#options.full ? (Number(group.full_ns) + open.full) / 1000 : Number.NaN;
    return { someUs: (Number(group.some_ns) + open.some) / 1000, fullUs };
  }

  /** To be called when a group was added to the map. */
  added(): void {
    this.#searchedMs = Number.NEGATIVE_INFINITY;
  }

  #value(id: bigint): Buffer | undefined {
    const key = this.#keys.get(id);
    const value = key && this.#groups.lookup(key);
    if (value && new PressureGroup(viewOf(value), 0).id === id) return value;
    this.#keys.delete(id);
    const now = performance.now();
    if (now - this.#searchedMs < SEARCH_MS) return undefined;
    this.#searchedMs = now;
    this.#keys.clear();
    for (const { key, value } of this.#groups.entries()) {
      this.#keys.set(new PressureGroup(viewOf(value), 0).id, Buffer.from(key));
    }
    const found = this.#keys.get(id);
    return found && this.#groups.lookup(found);
  }

  #windows(group: PressureGroup): PressureWindow[] {
    const { windowsMs, full } = this.#options;
    const resting = group.hot === 0;
    return shares(windowsMs, (i) => group.shares(i), full).map((window) =>
      resting ? { ...window, some: 0, full: full ? 0 : null } : window,
    );
  }

  #totals(view: DataView, group: PressureGroup, now: bigint): PressureTotals {
    const { full, subject } = this.#options;
    const open = sinceLastPeriod(view, now);
    return {
      subject: subject(group.id),
      level: levelNames[group.level] ?? 'normal',
      windows: this.#windows(group),
      some_ns: Number(group.some_ns) + open.some,
      full_ns: full ? Number(group.full_ns) + open.full : null,
      stalls: open.stalls,
      stall_ns: stallNs((cause) => endedNs(view, cause)),
      stalled_now: open.stalled,
    };
  }
}

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** The task time of ended stalls of one cause, summed over all CPUs. */
function endedNs(view: DataView, cause: number): bigint {
  const slot = new PressureSlot(view, PressureGroup.size);
  let sum = 0n;
  for (; slot.at + PressureSlot.size <= view.byteLength; slot.at += PressureSlot.size) sum += slot.stall_ns(cause);
  return sum;
}

interface Open {
  some: number;
  full: number;
  /** The number of tasks that are stalled now. */
  stalled: number;
  /** The number of stalls that have ended. */
  stalls: number;
}

/**
 * Computes what collect() in bpf/levels.bpf.h will add to the totals at the end of the current period, and counts the
 * stalls of all CPUs.
 */
function sinceLastPeriod(view: DataView, now: bigint): Open {
  const slot = new PressureSlot(view, PressureGroup.size);
  let some = 0;
  let full = 0;
  let busy = 0;
  let stalled = 0;
  let stalls = 0;
  for (; slot.at + PressureSlot.size <= view.byteLength; slot.at += PressureSlot.size) {
    const time = slot.stalled > 0 || slot.running !== 0 ? Number(now - slot.since_ns) : 0;
    const alone = slot.running !== SlotRunning.RUNNING_PRODUCTIVE;
    const weight = Math.max(0, Number(slot.busy_ns - slot.coarse_busy_ns) + time);
    some += weight * (Number(slot.some_ns - slot.coarse_some_ns) + (slot.stalled > 0 ? time : 0));
    full += weight * (Number(slot.full_ns - slot.coarse_full_ns) + (slot.stalled > 0 && alone ? time : 0));
    busy += weight;
    stalled += slot.stalled;
    stalls += Number(slot.stalls);
  }
  return busy > 0
    ? { some: Math.round(some / busy), full: Math.round(full / busy), stalled, stalls }
    : { some: 0, full: 0, stalled, stalls };
}
