/**
 * Determines which processes are killed together: by the unit of the rule, by memory.oom.group, or because they are a
 * storm.
 */
import type { GuardUnit } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { nearestAncestor } from './protect.ts';
import type { Rule } from './rule.ts';

/**
 * A storm: at least `least` processes of one process group that are younger than `seconds`, of which at least `least` of `fresh` are
 * younger than its `seconds`, and none of which holds more than the share `largest` of the memory that they hold together. Killing
 * one of them would not help, so all of them are one candidate.
 */
const STORM = { least: 10, seconds: 30, largest: 0.25, fresh: { least: 3, seconds: 10 } };
export const TICKS_PER_SECOND = 100;

/** Processes that are killed together have the same key. */
export interface Unit {
  kind: GuardUnit;
  key: string;
  /** The processes of the storm, the oldest first; undefined: the unit is not a storm. */
  storm?: SampledProcess[];
  /** The path of the cgroup that is killed as a whole. */
  cgroup?: string;
}

/** The place where a rule has fired, and the sampled cgroups. */
export interface Place {
  /** The cgroup where memory is short; undefined: memory is short in the whole system. */
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

/**
 * The processes that end with the members, because one of these is process 1 of their pid namespace (kernel/pid_namespace.c:
 * zap_pid_ns_processes()).
 */
export function endingWith(members: readonly SampledProcess[], all: readonly SampledProcess[]): SampledProcess[] {
  const inside = new Map(members.filter((member) => member.pid_namespace?.init).map((init) => [init.pid, init]));
  if (inside.size === 0) return [];
  // The namespaces of the members, and those in them. One of another user may have no known id.
  const ids = new Set([...inside.values()].map((init) => init.pid_namespace?.id));
  ids.delete('');
  for (let before = 0; before < inside.size; ) {
    before = inside.size;
    for (const other of all) {
      if (!other.pid_namespace || inside.has(other.pid)) continue;
      // A child is in the namespace of its parent, or in one below it.
      if (!ids.has(other.pid_namespace.id) && !inside.has(other.ppid)) continue;
      inside.set(other.pid, other);
      if (other.pid_namespace.init && other.pid_namespace.id !== '') ids.add(other.pid_namespace.id);
    }
  }
  return [...inside.values()].filter((process) => !members.includes(process));
}

/**
 * The cgroup that a member of a victim has left since it was chosen: the whole cgroup that is the victim, or the one
 * where memory is short. undefined: it is still there, it is exiting, or another process has its pid.
 *
 * @param now the current state of the member @param place where memory is short; undefined: in the whole system
 */
export function hasLeft(
  now: SampledProcess,
  { target, members }: { target: { takes: GuardUnit; cgroup: string | null }; members: readonly SampledProcess[] },
  place: SampledCgroup | undefined,
): string | undefined {
  const before = members.find(({ pid, start_ticks }) => pid === now.pid && start_ticks === now.start_ticks);
  if (!before || now.dying || now.cgroup === null || now.cgroup === before.cgroup) return undefined;
  const whole = target.takes === 'cgroup' ? target.cgroup : null;
  return (
    [whole, place?.path].find((path) => path != null && isWithin(before.cgroup, path) && !isWithin(now.cgroup, path)) ??
    undefined
  );
}

/** Finds the storms, by the id of their process group. */
export function stormsIn(all: readonly SampledProcess[], { uptime_seconds }: Sample): Map<number, SampledProcess[]> {
  const storms = new Map<number, SampledProcess[]>();
  if (uptime_seconds === undefined) return storms;
  const ticksBefore = (seconds: number) => (uptime_seconds - seconds) * TICKS_PER_SECOND;
  const [youngFrom, freshFrom] = [ticksBefore(STORM.seconds), ticksBefore(STORM.fresh.seconds)];
  for (const process of all) {
    if (process.pgid <= 1 || process.dying || process.start_ticks < youngFrom) continue;
    storms.set(process.pgid, [...(storms.get(process.pgid) ?? []), process]);
  }
  for (const [pgid, members] of storms) {
    const total = members.reduce((sum, member) => sum + heldBytes(member), 0);
    const fresh = members.filter(({ start_ticks }) => start_ticks >= freshFrom).length;
    const areMany = members.length >= STORM.least && fresh >= STORM.fresh.least;
    if (!areMany || members.some((each) => heldBytes(each) > STORM.largest * total)) storms.delete(pgid);
  }
  return storms;
}

/** A process that holds less than this share of what it held when it was chosen is not signalled: another one has the memory. */
export const SHRUNK_SHARE = 0.5;

export const heldBytes = ({ rss_bytes, swap_bytes }: SampledProcess) => rss_bytes + swap_bytes;

/**
 * The cgroup that the kernel would kill as a whole, as mem_cgroup_get_oom_group() in mm/memcontrol.c finds it: the
 * topmost ancestor with memory.oom.group, not above the cgroup whose memory is short.
 */
function oomGroupOf(path: string | null, { cgroup, cgroups }: Place): string | null {
  let topmost: string | null = null;
  nearestAncestor(path, (at) => {
    if (cgroups.get(at)?.oom_group) topmost = at;
    return at === cgroup?.path;
  });
  return topmost;
}
