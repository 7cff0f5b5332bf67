/** Extracts the facts of a report from its lines. Sizes are in bytes; null: the lines do not have the value. */
import { ownerOf } from '../../containers/container-path.ts';
import type { Scope } from '../../model/events.ts';
import type { OomReport, ReportLimit, ReportPart, ReportTrigger } from '../../model/oom-report.ts';
import type { OpenReport } from '../input/open-report.ts';
import { pageBytesOf, readMemory } from './memory.ts';
import { nodeList } from './nodes.ts';
import { oldGfpNames } from './old-gfp.ts';
import type { ReportFacts } from './report-facts.ts';
import { readTasks, type Table } from './tasks.ts';
import { victimsOf } from './victim.ts';

const DEFAULT_PAGE_BYTES = 4096;
const PAGE_BYTES = [4096, 8192, 16384, 65536];
/** A limit of this many KiB or more means "no limit": LONG_MAX bytes, minus a margin for rounding by kernel version. */
const UNLIMITED_KIB = 2 ** 53 - 2 ** 20;

/** @returns the facts, and the rows of the task table that do not fit its column names */
export function factsOf(open: OpenReport): { facts: ReportFacts; faulty: string[] } {
  const pageBytes = pageBytesOf(open.memory) ?? pageBytesByKill(open) ?? DEFAULT_PAGE_BYTES;
  const table = readTasks(open.tasks, open.columns ?? [], pageBytes);
  const kernel = open.cpu?.kernel ?? null;
  const [victim = null, ...group] = victimsOf(open, table);
  const facts: ReportFacts = {
    kernel,
    taints: open.cpu?.taints ?? null,
    hardware: open.hardware ?? null,
    parts: partsOf(open),
    outcome: outcomeOf(open),
    panic: open.panic ?? null,
    scope: scopeOf(open),
    victim,
    group,
    trigger: triggerOf(open, table, kernel),
    limit: limitOf(open),
    cgroup_version: versionOf(open),
    nodemask: open.summary?.nodemask ?? open.invoked?.nodemask ?? null,
    page_bytes: pageBytes,
    memory: readMemory(open.memory, pageBytes),
    tasks: table.tasks,
    evidence: {
      sysrq: open.sysrq,
      slubCgroup: open.slubCgroup ?? null,
      noCompaction: open.noCompaction,
      cpuset: open.summary?.cpuset ?? open.cpuset?.cpuset ?? null,
      mems: open.summary?.mems ?? open.cpuset?.mems ?? null,
    },
  };
  return { facts, faulty: table.faulty };
}

function triggerOf(
  { invoked, cpu, cpuset, stack, summary }: OpenReport,
  { tasks }: Table,
  kernel: string | null,
): ReportTrigger | null {
  const comm = invoked?.comm || cpu?.comm;
  // Without a name the head does not say which task made the request.
  if (!comm) return null;
  const row = cpu && tasks.find(({ tid }) => tid === cpu.pid);
  return {
    // The task table lists processes only: a pid that is not in it belongs to a thread.
    pid: row?.pid ?? (tasks.length > 0 ? null : (cpu?.pid ?? null)),
    tid: cpu?.pid ?? null,
    uid: cpu?.uid ?? row?.uid ?? null,
    comm,
    gfp_mask: invoked?.mask ?? null,
    gfp: invoked ? (invoked.names ?? (invoked.mask === null ? null : oldGfpNames(invoked.mask, kernel))) : null,
    order: invoked?.order ?? null,
    oom_score_adj: invoked?.adj ?? null,
    mems_allowed: summary?.mems ?? cpuset?.mems ?? null,
    cpuset: summary?.cpuset ?? cpuset?.cpuset ?? null,
    cpu: cpu?.cpu ?? null,
    stack,
  };
}

function limitOf({ counters, stats, summary, taskIn }: OpenReport): ReportLimit | null {
  const path = summary?.limit ?? taskIn?.limit ?? stats[0]?.path ?? null;
  if (path === null && counters.size === 0) return null;
  const usage = (name: string) => {
    const counter = counters.get(name);
    return counter ? counter.usage * 1024 : null;
  };
  const limit = (name: string) => {
    const counter = counters.get(name);
    return !counter || counter.limit >= UNLIMITED_KIB ? null : counter.limit * 1024;
  };
  return {
    path,
    ...ownerOf(path),
    usage_bytes: usage('memory'),
    limit_bytes: limit('memory'),
    fail_count: counters.get('memory')?.failures ?? null,
    swap_bytes: usage('swap'),
    swap_limit_bytes: limit('swap'),
    memory_and_swap_bytes: usage('memory+swap'),
    memory_and_swap_limit_bytes: limit('memory+swap'),
    kernel_bytes: usage('kmem'),
    kernel_limit_bytes: limit('kmem'),
    stats,
  };
}

const scopes: Record<string, Scope> = {
  CONSTRAINT_NONE: 'system',
  CONSTRAINT_CPUSET: 'cpuset',
  CONSTRAINT_MEMORY_POLICY: 'mempolicy',
  CONSTRAINT_MEMCG: 'cgroup',
};

/** Kernel functions that charge memory to a cgroup, or that handle its OOM. */
const MEMCG =
  /^_{0,2}(?:mem_cgroup_(?:out_of_memory|oom_synchronize|try_charge|charge)|try_charge|charge_memcg|obj_cgroup_charge)/;

function scopeOf(open: OpenReport): Scope | null {
  const { summary, taskIn, counters, stats, memory, cpuset, invoked, stack } = open;
  if (summary) return summary.limit !== null ? 'cgroup' : (scopes[summary.constraint] ?? null);
  const why = open.chosen?.why ?? open.kills[0]?.why ?? '';
  if (taskIn && taskIn.limit === null) return 'system';
  if (taskIn || counters.size > 0 || stats.length > 0 || /^Memory cgroup/.test(why)) return 'cgroup';
  if (open.group !== undefined && open.kills.length > 0 && memory.length === 0 && why === '') return 'cgroup';
  if (stack.some((name) => MEMCG.test(name))) return 'cgroup';
  if (why.includes('MPOL_BIND')) return 'mempolicy';
  if (why.includes('cpuset')) return 'cpuset';
  // Before 5.0 the kernel prints "Out of memory" for a cpuset and a memory policy as well. For these kernels the
  // allowed
  // NUMA nodes decide, if the report names them.
  const nodes = new Set(memory.flatMap((info) => (info.of === 'zone' ? [info.node] : [])));
  if (nodes.size === 0 || !cpuset) return null;
  if (invoked?.nodemask && ![...nodes].every((node) => nodeList(invoked.nodemask).has(node))) return 'mempolicy';
  return [...nodes].every((node) => nodeList(cpuset.mems).has(node)) ? 'system' : 'cpuset';
}

function versionOf({ counters }: OpenReport): 1 | 2 | null {
  if (counters.has('memory+swap') || counters.has('kmem')) return 1;
  return counters.has('swap') ? 2 : null;
}

function outcomeOf({
  kills,
  noVictim,
  panic,
  taskIn,
  group,
  reaped,
  chosen,
  summary,
}: OpenReport): OomReport['outcome'] {
  if (panic !== undefined) return 'panic';
  if (kills.length > 0 || reaped.size > 0 || chosen || (summary && !noVictim)) return 'killed';
  if (taskIn || group !== undefined) return 'killed';
  return noVictim ? 'nobody_killable' : 'unknown';
}

function partsOf(open: OpenReport): ReportPart[] {
  const parts: [ReportPart, boolean][] = [
    ['head', open.invoked !== undefined],
    ['stack', open.hasStack],
    ['cgroup', open.counters.size > 0 || open.stats.length > 0],
    ['memory', open.memory.length > 0],
    ['tasks', open.tasks.size > 0],
    ['summary', open.summary !== undefined],
    ['kill', open.kills.length > 0],
    ['reaper', open.reaped.size > 0 || open.unreapable.length > 0],
    ['panic', open.panic !== undefined],
  ];
  return parts.filter(([, there]) => there).map(([part]) => part);
}

/** The kill line has the victim's size in KiB, and the task table has it in pages: together they give the page size. */
function pageBytesByKill({ kills, tasks }: OpenReport): number | null {
  for (const { pid, kib } of kills) {
    const pages = Number(tasks.get(pid)?.trim().split(/ +/)[2]);
    const size = ((kib['total-vm'] ?? 0) * 1024) / pages;
    if (PAGE_BYTES.includes(size)) return size;
  }
  return null;
}
