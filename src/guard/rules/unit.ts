/** What is killed together with a process: the unit of a rule, memory.oom.group, or a storm. */
import type { GuardUnit } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { nearestAncestor } from './protect.ts';
import type { Rule } from './rule.ts';

/**
 * A storm: at least this many processes of one process group, all younger than this, none of which holds more than this
 * share of what they hold together. To kill one of them would not help, so they are one candidate.
 */
const STORM = { least: 10, seconds: 10, largest: 0.25 };
const TICKS_PER_SECOND = 100;

/** What is killed together has the same key. */
export interface Unit {
  kind: GuardUnit;
  key: string;
  /** The processes of a storm, the oldest first; undefined: it is none. */
  storm?: SampledProcess[];
  /** The cgroup that is killed as a whole. */
  cgroup?: string;
}

/** Where a rule has fired, and what is known of the cgroups there. */
export interface Place {
  /** undefined: the system. */
  cgroup: SampledCgroup | undefined;
  cgroups: ReadonlyMap<string, SampledCgroup>;
}

export function unitOf(
  process: SampledProcess,
  rule: Rule,
  place: Place,
  storms: ReadonlyMap<number, SampledProcess[]>,
): Unit {
  const group = `group ${process.pgid}`;
  const storm = storms.get(process.pgid);
  if (storm?.includes(process)) return { kind: 'process_group', key: group, storm };
  const oomGroup = rule.honourOomGroup || rule.unit === 'cgroup' ? oomGroupOf(process.cgroup, place) : undefined;
  const own = rule.unit === 'cgroup' && process.cgroup !== '/' ? process.cgroup : null;
  const cgroup = oomGroup ?? own;
  if (cgroup !== null) return { kind: 'cgroup', key: cgroup, cgroup };
  if (rule.unit === 'process_group' && process.pgid > 1) return { kind: 'process_group', key: group };
  return { kind: 'process', key: `process ${process.pid}` };
}

/** All processes that are killed with `process`. */
export function membersOf(process: SampledProcess, unit: Unit, all: readonly SampledProcess[]): SampledProcess[] {
  const { kind, storm, cgroup } = unit;
  if (storm) return storm;
  if (kind === 'process') return [process];
  if (cgroup !== undefined) return all.filter((other) => isWithin(other.cgroup, cgroup));
  return all.filter((other) => other.pgid === process.pgid);
}

/** By process group. A cgroup that is killed as a whole has no storms. */
export function stormsIn(all: readonly SampledProcess[], { uptime_seconds }: Sample): Map<number, SampledProcess[]> {
  const storms = new Map<number, SampledProcess[]>();
  if (uptime_seconds === undefined) return storms;
  const youngFrom = (uptime_seconds - STORM.seconds) * TICKS_PER_SECOND;
  for (const process of all) {
    if (process.pgid <= 1 || process.dying || process.start_ticks < youngFrom) continue;
    storms.set(process.pgid, [...(storms.get(process.pgid) ?? []), process]);
  }
  for (const [pgid, members] of storms) {
    const total = members.reduce((sum, member) => sum + heldBytes(member), 0);
    const isStorm = members.length >= STORM.least && members.every((each) => heldBytes(each) <= STORM.largest * total);
    if (!isStorm) storms.delete(pgid);
  }
  return storms;
}

export const heldBytes = ({ rss_bytes, swap_bytes }: SampledProcess) => rss_bytes + swap_bytes;

/** mm/memcontrol.c mem_cgroup_get_oom_group(): the topmost with memory.oom.group, up to where memory ran out. */
function oomGroupOf(path: string | null, { cgroup, cgroups }: Place): string | null {
  let topmost: string | null = null;
  nearestAncestor(path, (at) => {
    if (cgroups.get(at)?.oom_group) topmost = at;
    return at === cgroup?.path;
  });
  return topmost;
}
