/** Converts parts of the records of bpf/pressure.h to fields of events. */
import { type PressureShare, type StalledTask as StalledTaskRecord, stallCauseNames } from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import { ownerOf } from '../containers/container-path.ts';
import type { PressureWindow, StallCause, StalledTask, StallNs } from '../model/pressure.ts';
import { decode, untilNul } from '../text/printable.ts';

/** The causes, indexed by the value of enum stall_cause. */
export const causes: readonly StallCause[] = Object.values(stallCauseNames);

/** @param cgroup the path of the task's cgroup. null: unknown */
export function stalledTask(record: StalledTaskRecord, cgroup: string | null): StalledTask {
  return {
    pid: record.pid,
    tid: record.tid,
    comm: decode(untilNul(record.comm)).text,
    start_ticks: toTicks(record.start_ns),
    cgroup,
    cgroup_id: String(record.cgroup_id),
    ...ownerOf(cgroup),
  };
}

/** @param ns returns the nanoseconds for a value of enum stall_cause */
export function stallNs(ns: (cause: number) => bigint): StallNs {
  return Object.fromEntries(causes.map((cause, i) => [cause, Number(ns(i))])) as StallNs;
}

/** @param full whether the hooks in use can measure `full` */
export function shares(
  windowsMs: readonly number[],
  share: (window: number) => PressureShare,
  full: boolean,
): PressureWindow[] {
  return windowsMs.map((ms, i) => {
    const { some_ppm, full_ppm } = share(i);
    return { window_seconds: ms / 1000, some: some_ppm / 1e6, full: full ? full_ppm / 1e6 : null };
  });
}
