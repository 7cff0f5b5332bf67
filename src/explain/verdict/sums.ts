/** Sums the memory of processes by name, user and owner, and compares the sums with the machine's RAM or the limit. */
import { ownerOf } from '../../containers/container-path.ts';
import { type CgroupOwner, noOwner } from '../../model/container.ts';
import type { ReportSum, ReportSums, ReportTask } from '../../model/oom-report.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { shareOf, sizeOf } from './holders.ts';

/** A list has at most this many names or users: the largest. */
const MOST_SUMS = 100;

type Sum = Omit<ReportSum, 'share'>;

/** Memory whose owner the log names. */
interface Placed {
  /** null: only the owner is known. */
  cgroup: string | null;
  owner: CgroupOwner;
  sum: Omit<Sum, 'name'>;
}

export function sumsOf(report: ReportFacts): ReportSums {
  const { tasks } = report;
  const { whole, bytes } = wholeOf(report);
  const shared = (sums: Sum[]): ReportSum[] =>
    sums
      .toSorted((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))
      .map((one) => ({ ...one, share: shareOf(one.bytes, bytes) }));
  const grouped = (nameOf: (task: ReportTask) => string) => shared(group(tasks, nameOf));
  const [names, users] = [grouped(({ comm }) => comm), grouped(({ uid }) => String(uid))];
  const above = ofLimit(report);
  const below = [...ofVictims(report), ...ofTrigger(report)];
  const owned = (nameOf: (placed: Placed) => string | null) => shared(owners(above, below, nameOf));
  const placed = new Set(below.flatMap(({ rows }) => rows));
  const unplaced = above.length > 0 ? [] : tasks.filter((task) => !placed.has(task));
  return {
    whole,
    whole_bytes: bytes,
    ...{ by_name: names.slice(0, MOST_SUMS), names: names.length },
    ...{ by_user: users.slice(0, MOST_SUMS), users: users.length },
    by_cgroup: owned(({ cgroup }) => cgroup),
    // The scope of a container, and the slices of all pods, are no services.
    by_unit: owned(({ owner }) =>
      owner.container || owner.pod || owner.unit?.startsWith('kubepods') ? null : owner.unit,
    ),
    by_pod: owned(({ owner }) => owner.pod?.uid ?? null),
    by_container: owned(({ owner }) => owner.container?.id ?? null),
    unplaced: { processes: unplaced.length, bytes: unplaced.reduce((sum, task) => sum + sizeOf(task), 0) },
  };
}

function wholeOf({ scope, limit, memory }: ReportFacts): { whole: ReportSums['whole']; bytes: number | null } {
  if (memory?.ram_bytes != null) return { whole: 'ram', bytes: memory.ram_bytes - (memory.reserved_bytes ?? 0) };
  if (scope === 'cgroup' && limit?.limit_bytes != null) return { whole: 'limit', bytes: limit.limit_bytes };
  return { whole: null, bytes: null };
}

function group(tasks: readonly ReportTask[], nameOf: (task: ReportTask) => string): Sum[] {
  const sums = new Map<string, Sum>();
  for (const task of tasks) {
    const name = nameOf(task);
    const sum = sums.get(name) ?? { name, processes: 0, bytes: 0, measured: 'processes' };
    sum.processes++;
    sum.bytes += sizeOf(task);
    sums.set(name, sum);
  }
  return [...sums.values()];
}

/**
 * The cgroup whose limit was hit: the task table has the processes of this cgroup and of those below it. Before 5.3 the
 * kernel prints the figures of each cgroup below it as well.
 */
function ofLimit({ scope, limit, tasks }: ReportFacts): Placed[] {
  if (scope !== 'cgroup' || limit?.path == null) return [];
  const { path, usage_bytes: usage } = limit;
  const bytes = usage ?? tasks.reduce((sum, task) => sum + sizeOf(task), 0);
  const measured = usage === null ? 'processes' : 'usage';
  const own: Placed = { cgroup: path, owner: limit, sum: { processes: tasks.length, bytes, measured } };
  const others = limit.stats.flatMap(({ path: below, values }) => {
    if (below === null || below === path) return [];
    const held = (values.rss ?? values.anon ?? 0) + (values.cache ?? values.file ?? 0);
    return [{ cgroup: below, owner: ownerOf(below), sum: { processes: 0, bytes: held, measured: 'usage' as const } }];
  });
  return [own, ...others];
}

/** The victims, by cgroup. */
function ofVictims({ victim, group: more, tasks }: ReportFacts): (Placed & { rows: ReportTask[] })[] {
  const found = new Map<string, Placed & { rows: ReportTask[] }>();
  for (const one of victim ? [victim, ...more] : []) {
    // The kernel names the cgroup of the first victim only; with memory.oom.group all die with their cgroup.
    const cgroup = one.cgroup;
    const row = tasks.find(({ tid }) => tid === one.tid);
    const held = row ? sizeOf(row) : (one.memory.rss_bytes ?? 0) + (one.memory.swap_bytes ?? 0);
    if (cgroup === null) continue;
    const placed = found.get(cgroup) ?? {
      cgroup,
      owner: one,
      sum: { processes: 0, bytes: 0, measured: 'processes' as const },
      rows: [],
    };
    placed.sum = { ...placed.sum, processes: placed.sum.processes + 1, bytes: placed.sum.bytes + held };
    if (row) placed.rows.push(row);
    found.set(cgroup, placed);
  }
  return [...found.values()];
}

/**
 * The allocating task, when its cpuset names its container. The kernel prints only the last part of the cpuset's path
 * (kernel/cgroup/cpuset.c: cpuset_print_current_mems_allowed).
 */
function ofTrigger({ trigger, tasks, victim, group: more }: ReportFacts): (Placed & { rows: ReportTask[] })[] {
  const row = trigger?.pid == null ? undefined : tasks.find(({ pid }) => pid === trigger.pid);
  const owner = trigger?.cpuset == null ? noOwner : ownerOf(`/${trigger.cpuset}`);
  if (!row || !owner.container || [victim, ...more].some((one) => one?.tid === row.tid && one.cgroup !== null))
    return [];
  return [{ cgroup: null, owner, sum: { processes: 1, bytes: sizeOf(row), measured: 'processes' }, rows: [row] }];
}

/** Sums by owner. Memory of a victim is left out where its owner is that of the limit: the usage has it already. */
function owners(above: readonly Placed[], below: readonly Placed[], nameOf: (placed: Placed) => string | null): Sum[] {
  const sums = new Map<string, Sum>();
  for (const [i, list] of [above, below].entries()) {
    const earlier = new Set(i === 0 ? [] : sums.keys());
    for (const placed of list) {
      const name = nameOf(placed);
      if (name === null || earlier.has(name)) continue;
      const known = sums.get(name);
      // The usage of a cgroup has that of the cgroups below it: the first entry of a list is the outermost.
      if (known && i === 0) continue;
      const { processes, bytes, measured } = placed.sum;
      if (known) Object.assign(known, { processes: known.processes + processes, bytes: known.bytes + bytes });
      else sums.set(name, { name, processes, bytes, measured });
    }
  }
  return [...sums.values()];
}
