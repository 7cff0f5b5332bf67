/** Compares our events with the kernel's own record of the same kills. */
import type { OomKill } from '../../src/model/events.ts';
import type { InvokedLine, KernelLogLine, KilledLine, OomLine, TaskLine } from '../kernel/kernel-log.ts';

const scopes: Record<string, OomKill['scope']> = {
  CONSTRAINT_NONE: 'system',
  CONSTRAINT_CPUSET: 'cpuset',
  CONSTRAINT_MEMORY_POLICY: 'mempolicy',
  CONSTRAINT_MEMCG: 'cgroup',
};

/**
 * The numbers of the "Killed process" line, taken from our event. Where the line has the approximate RSS (Linux 6.2 to
 * 6.x), the approximate RSS of our event is taken, otherwise the exact RSS.
 */
export function asKilledLine({ victim }: OomKill, line: KilledLine) {
  const { memory } = victim;
  const approximate = memory?.approximate;
  const rss = approximate && approximate.anon_rss_bytes / 1024 === line.anonRssKiB ? approximate : memory;
  return {
    pid: victim.tid,
    comm: victim.comm,
    totalVmKiB: memory && memory.total_vm_bytes / 1024,
    anonRssKiB: rss && rss.anon_rss_bytes / 1024,
    fileRssKiB: rss && rss.file_rss_bytes / 1024,
    shmemRssKiB: rss && rss.shmem_rss_bytes / 1024,
    uid: victim.uid,
    pageTablesKiB: memory && Math.floor(memory.page_tables_bytes / 1024),
    oomScoreAdj: victim.oom_score_adj,
  };
}

export const killedFields = ({ sequence, timeUs, type, reason, commBytes, ...rest }: KilledLine) => rest;

/**
 * The fields of the "oom-kill:" line, taken from our event. The kernel prints that line before it chooses a thread:
 * if the leader has exited, the line names the leader (mm/oom_kill.c: dump_oom_victim before find_lock_task_mm).
 */
export function asOomLine({ victim, trigger, limit, scope, nodemask }: OomKill, line: OomLine) {
  const leader = line.pid === victim.pid;
  return {
    scope,
    nodemask,
    memsAllowed: trigger.mems_allowed,
    oomMemcg: limit?.path ?? null,
    taskMemcg: victim.cgroup,
    comm: leader ? victim.process_comm : victim.comm,
    pid: leader ? victim.pid : victim.tid,
    uid: victim.uid,
  };
}

export const oomFields = ({ sequence, timeUs, type, cpuset, constraint, commBytes, ...rest }: OomLine) => ({
  ...rest,
  scope: scopes[constraint],
});

export interface KernelRecord {
  kills: OomKill[];
  lines: KernelLogLine[];
  /** Increase of `oom_kill` in /proc/vmstat. */
  vmstat: number;
  groups: GroupCount[];
}

/** A cgroup's count of kills: `memory.events.local` on v2, `memory.oom_control` on v1. `tree` includes descendants. */
export interface GroupCount {
  cgroupPath: string;
  local: number;
  /** Present only on cgroup v2. */
  tree: number | undefined;
}

/** @returns every difference as a sentence */
export function reconcile({ kills, lines, vmstat, groups }: KernelRecord): string[] {
  const differences: string[] = [];
  const same = (what: string, ours: unknown, theirs: unknown) => {
    const [a, b] = [JSON.stringify(sorted(ours)), JSON.stringify(sorted(theirs))];
    if (a !== b) differences.push(`${what}: ours ${a}, the kernel's ${b}`);
  };
  const real = kills.filter(({ kind }) => kind === 'killed' || kind === 'group_member');
  const killed = lines.filter((line) => line.type === 'killed');
  const byTid = new Map(real.map((kill) => [kill.victim.tid, kill]));

  same('pids', real.map(({ victim }) => victim.tid).sort(), [...new Set(killed.map(({ pid }) => pid))].sort());
  for (const line of killed) {
    const kill = byTid.get(line.pid);
    if (!kill) continue; // already reported as a difference
    const ours = asKilledLine(kill, line);
    same(`"Killed process ${line.pid}"`, drifted(kill) ? near(ours, killedFields(line)) : ours, killedFields(line));
  }
  let invoked: InvokedLine | undefined;
  let tasks: TaskLine[] = [];
  for (const line of lines) {
    if (line.type === 'invoked') {
      invoked = line;
      tasks = [];
    }
    if (line.type === 'task') tasks.push(line);
    if (line.type !== 'oom') continue;
    const kill = real.find(({ victim }) => victim.tid === line.pid || victim.pid === line.pid);
    if (!kill) continue; // already reported as a difference
    same(`"oom-kill: … pid=${line.pid}"`, asOomLine(kill, line), oomFields(line));
    if (invoked) {
      const { trigger } = kill;
      const flags = (names: string | null) => names?.split('|').sort(); // their order differs by kernel
      const ours = { comm: trigger.comm, mask: trigger.gfp_mask, names: flags(trigger.gfp), order: trigger.order };
      const { comm, gfpMask: mask, gfpNames, order } = invoked;
      const theirs = { comm, mask, names: flags(gfpNames), order };
      same(`"invoked oom-killer" for ${line.pid}`, ours, theirs);
      invoked = undefined;
    }
    if (!kill.candidates) continue;
    const theirs = ranking(tasks, kill);
    const ours = withoutDrift(kill.candidates.map(asRanked), theirs);
    same(`candidates for ${line.pid}`, ours, theirs);
  }

  // Group kills take their first victim twice (mm/oom_kill.c: oom_kill_memcg_member does not skip it), so the kernel's
  // counters follow its lines, not its victims.
  if (vmstat !== killed.length)
    differences.push(`vmstat oom_kill grew by ${vmstat}, the log has ${killed.length} lines`);
  const pathOf = (line: KilledLine) => byTid.get(line.pid)?.victim.cgroup ?? '?';
  for (const { cgroupPath, local, tree } of groups) {
    const inside = killed.map(pathOf);
    same(`oom_kill of ${cgroupPath}`, inside.filter((path) => path === cgroupPath).length, local);
    if (tree === undefined) continue;
    const below = inside.filter((path) => path === cgroupPath || path.startsWith(`${cgroupPath}/`));
    same(`oom_kill of ${cgroupPath} and below`, below.length, tree);
  }
  return differences;
}

/**
 * A victim that is not the trigger still runs while the kernel writes its line, so its counters change a little in
 * between. Up to 6.1 it also adds the events that its threads had counted locally when it is woken to exit
 * (mm/memory.c: TASK_RSS_EVENTS_THRESH, 64 events a counter). If the machine or a node is full, not a cgroup, kswapd
 * still reclaims pages of all processes on another CPU (mm/rmap.c: try_to_unmap_one() subtracts them). Candidates are
 * read a moment after the kernel's task dump, and those that run in between change.
 */
const drifted = ({ victim, trigger, scope }: OomKill) =>
  victim.pid !== trigger.pid || (victim.threads ?? 1) > 1 || scope !== 'cgroup';
const DRIFT = 1024; // KiB, or pages

/** Copies our numbers. In the copy, the kernel's number replaces each number that differs from it only a little. */
function near<T extends object>(ours: T, theirs: object): T {
  const entries = Object.entries(ours).map(([key, value]) => {
    const other = (theirs as Record<string, unknown>)[key];
    const close = typeof value === 'number' && typeof other === 'number' && Math.abs(value - other) <= DRIFT;
    return [key, close && /KiB$|^points$/.test(key) ? other : value];
  });
  return Object.fromEntries(entries) as T;
}

export interface Ranked {
  pid: number;
  points: number;
  adj: number;
}

const asRanked = ({ pid, badness_pages, oom_score_adj }: NonNullable<OomKill['candidates']>[number]): Ranked => ({
  pid,
  points: badness_pages,
  adj: oom_score_adj,
});

/** The kernel's ranking, computed from its task dump by oom_badness(). */
function ranking(tasks: TaskLine[], kill: OomKill): Ranked[] {
  const pageBytes = 4096;
  const total = Math.floor((kill.domain_bytes ?? 0) / pageBytes / 1000);
  return tasks
    .filter(({ pid, oomScoreAdj }) => pid !== 1 && oomScoreAdj !== -1000)
    .map(({ tgid, rssPages, swapPages, pageTableBytes, oomScoreAdj }) => ({
      pid: tgid,
      points: rssPages + swapPages + Math.floor(pageTableBytes / pageBytes) + oomScoreAdj * total,
      adj: oomScoreAdj,
    }))
    .reverse() // of two processes with equal points the kernel chooses the later one
    .sort((a, b) => b.points - a.points)
    .slice(0, 10);
}

/**
 * Copies our ranking. In the copy, the kernel's number replaces each number that differs from it only a little.
 * Processes whose numbers changed are put in the kernel's order if nothing else differs.
 */
export function withoutDrift(ours: Ranked[], theirs: Ranked[]): Ranked[] {
  const place = new Map(theirs.map(({ pid }, i) => [pid, i]));
  const same = (one: Ranked) => theirs[place.get(one.pid) ?? -1];
  const behind = (one: Ranked) => place.get(one.pid) ?? theirs.length;
  const moved = (one: Ranked) => same(one)?.points !== one.points;
  const explained = ours.every((one, i) =>
    ours.slice(i + 1).every((later) => behind(one) < behind(later) || moved(one) || moved(later)),
  );
  const numbers = ours.map((one) => near(one, same(one) ?? one));
  return explained ? numbers.sort((a, b) => behind(a) - behind(b)) : numbers;
}

/** A copy with sorted keys, for comparison. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
