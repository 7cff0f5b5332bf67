import type { BpfMap } from '../bpf/libbpf/index.ts';
import { PressureGroup, PressureSlot, SlotRunning } from '../bpf/wire/layout.ts';
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

/**
 * Reads the totals from the BPF map. The totals of the system come first. Takes about 20 µs per cgroup.
 *
 * @param options.full whether the hooks in use can measure `full`
 */
export function readTotals(
  groups: BpfMap,
  options: { windowsMs: readonly number[]; full: boolean; subject: (id: bigint) => PressureSubject },
): PressureTotals[] {
  const { windowsMs, full, subject } = options;
  const found: { id: bigint; totals: PressureTotals }[] = [];
  for (const key of groups.keys(8)) {
    const value = groups.lookup(key);
    if (!value) continue; // the cgroup was removed meanwhile
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    const group = new PressureGroup(view, 0);
    if (group.last_stall_ns === 0n) continue; // no task of this subject was ever stalled
    const open = sinceLastPeriod(view, process.hrtime.bigint());
    const resting = group.hot === 0;
    found.push({
      id: group.id,
      totals: {
        subject: subject(group.id),
        level: levelNames[group.level] ?? 'normal',
        windows: shares(windowsMs, (i) => group.shares(i), full).map((window) =>
          resting ? { ...window, some: 0, full: full ? 0 : null } : window,
        ),
        some_ns: Number(group.some_ns) + open.some,
        full_ns: full ? Number(group.full_ns) + open.full : null,
        stalls: Number(group.stalls),
        stall_ns: stallNs((cause) => group.stall_ns(cause)),
        stalled_now: open.stalled,
      },
    });
  }
  return found.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ totals }) => totals);
}

/** Computes what collect() in bpf/levels.bpf.h will add to the totals at the end of the current period. */
function sinceLastPeriod(view: DataView, now: bigint): { some: number; full: number; stalled: number } {
  const slot = new PressureSlot(view, PressureGroup.size);
  let some = 0;
  let full = 0;
  let busy = 0;
  let stalled = 0;
  for (; slot.at + PressureSlot.size <= view.byteLength; slot.at += PressureSlot.size) {
    const time = slot.stalled > 0 || slot.running !== 0 ? Number(now - slot.since_ns) : 0;
    const alone = slot.running !== SlotRunning.RUNNING_PRODUCTIVE;
    const weight = Math.max(0, Number(slot.busy_ns - slot.coarse_busy_ns) + time);
    some += weight * (Number(slot.some_ns - slot.coarse_some_ns) + (slot.stalled > 0 ? time : 0));
    full += weight * (Number(slot.full_ns - slot.coarse_full_ns) + (slot.stalled > 0 && alone ? time : 0));
    busy += weight;
    stalled += slot.stalled;
  }
  return busy > 0
    ? { some: Math.round(some / busy), full: Math.round(full / busy), stalled }
    : { some: 0, full: 0, stalled };
}
