/** What the lines of a report say, before it is judged: every figure in bytes, what the lines do not say as null. */

import { ownerOf } from '../../containers/container-path.ts';
import type { Scope } from '../../model/events.ts';
import type { OomReport, ReportLimit, ReportPart, ReportTrigger, ReportVictim } from '../../model/oom-report.ts';
import type { OpenReport } from '../input/open-report.ts';
import type { ParsedLine } from '../input/parsed-line.ts';
import { pageBytesOf, readMemory } from './memory.ts';
import { nodeList } from './nodes.ts';
import { oldGfpNames } from './old-gfp.ts';
import { readTasks, type Table } from './tasks.ts';

const DEFAULT_PAGE_BYTES = 4096;
const PAGE_BYTES = [4096, 16384, 65536];
/** LONG_MAX in pages, as the kernel prints "no limit" in kB, give or take how each version rounds it. */
const UNLIMITED_KIB = 2 ** 53 - 2 ** 20;

/** What a report holds before it is judged. */
export type ReportFacts = Pick<
  OomReport,
  | 'kernel'
  | 'parts'
  | 'outcome'
  | 'panic'
  | 'scope'
  | 'victim'
  | 'group'
  | 'trigger'
  | 'limit'
  | 'cgroup_version'
  | 'nodemask'
  | 'page_bytes'
  | 'memory'
  | 'tasks'
>;

/** @returns the facts, and the rows of the task table that do not fit its head */
export function factsOf(draft: OpenReport): { facts: ReportFacts; faulty: string[] } {
  const pageBytes = pageBytesOf(draft.memory) ?? pageBytesByKill(draft) ?? DEFAULT_PAGE_BYTES;
  const table = readTasks(draft.tasks, draft.columns ?? [], pageBytes);
  const kernel = draft.cpu?.kernel ?? null;
  const [victim = null, ...group] = draft.kills.map((kill) => victimOf(kill, draft, table));
  const facts: ReportFacts = {
    kernel,
    parts: partsOf(draft),
    outcome: outcomeOf(draft),
    panic: draft.panic ?? null,
    scope: scopeOf(draft),
    victim,
    group,
    trigger: triggerOf(draft, table, kernel),
    limit: limitOf(draft),
    cgroup_version: versionOf(draft),
    nodemask: draft.summary?.nodemask ?? draft.invoked?.nodemask ?? null,
    page_bytes: pageBytes,
    memory: readMemory(draft.memory, pageBytes),
    tasks: table.tasks,
  };
  return { facts, faulty: table.faulty };
}

function triggerOf(
  { invoked, cpu, cpuset, stack, summary }: OpenReport,
  { tasks }: Table,
  kernel: string | null,
): ReportTrigger | null {
  if (!invoked && !cpu) return null;
  const row = cpu && tasks.find(({ tid }) => tid === cpu.pid);
  return {
    // The table has processes only: who is not in it is a thread of one.
    pid: row?.pid ?? (tasks.length > 0 ? null : (cpu?.pid ?? null)),
    tid: cpu?.pid ?? null,
    uid: cpu?.uid ?? row?.uid ?? null,
    comm: invoked?.comm ?? (cpu?.comm as string),
    gfp_mask: invoked?.mask ?? null,
    gfp: invoked ? (invoked.names ?? oldGfpNames(invoked.mask, kernel)) : null,
    order: invoked?.order ?? null,
    oom_score_adj: invoked?.adj ?? null,
    mems_allowed: summary?.mems ?? cpuset?.mems ?? null,
    cpuset: summary?.cpuset ?? cpuset?.cpuset ?? null,
    cpu: cpu?.cpu ?? null,
    stack,
  };
}

function victimOf(kill: Extract<ParsedLine, { is: 'killed' }>, draft: OpenReport, { tasks }: Table): ReportVictim {
  const row = tasks.find(({ tid }) => tid === kill.pid);
  const { summary, chosen } = draft;
  const bytes = (kib: number | undefined) => (kib === undefined ? null : kib * 1024);
  const anon = bytes(kill.kib['anon-rss']);
  const file = bytes(kill.kib['file-rss']);
  const shmem = bytes(kill.kib['shmem-rss']);
  const reaped = draft.reaped.get(kill.pid);
  const named = summary && (summary.pid === kill.pid || summary.pid === row?.pid);
  const cgroup = (named ? summary.task : null) ?? (draft.kills[0] === kill ? (draft.taskIn?.task ?? null) : null);
  return {
    pid: row?.pid ?? (named ? summary.pid : kill.pid),
    tid: kill.pid,
    uid: kill.uid ?? (named ? summary.uid : null) ?? row?.uid ?? null,
    comm: kill.comm,
    reason: kill.why ?? (chosen?.pid === kill.pid ? chosen.why : null),
    oom_score_adj: kill.adj ?? row?.oom_score_adj ?? null,
    memory: {
      total_vm_bytes: bytes(kill.kib['total-vm']) ?? row?.total_vm_bytes ?? null,
      rss_bytes: anon !== null && file !== null ? anon + file + (shmem ?? 0) : (row?.rss_bytes ?? null),
      anon_rss_bytes: anon,
      file_rss_bytes: file,
      shmem_rss_bytes: shmem,
      swap_bytes: row?.swap_bytes ?? null,
      page_tables_bytes: bytes(kill.kib.pgtables) ?? row?.page_tables_bytes ?? null,
    },
    cgroup,
    ...ownerOf(cgroup),
    score: chosen?.pid === kill.pid ? chosen.score : null,
    reaped: reaped
      ? { anon_rss_bytes: reaped.anon * 1024, file_rss_bytes: reaped.file * 1024, shmem_rss_bytes: reaped.shmem * 1024 }
      : null,
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

function scopeOf(draft: OpenReport): Scope | null {
  const { summary, taskIn, counters, stats, memory, cpuset, invoked } = draft;
  if (summary) return scopes[summary.constraint] ?? null;
  const why = draft.chosen?.why ?? draft.kills[0]?.why ?? '';
  if (taskIn || counters.size > 0 || stats.length > 0 || /^Memory cgroup/.test(why)) return 'cgroup';
  if (why.includes('MPOL_BIND')) return 'mempolicy';
  if (why.includes('cpuset')) return 'cpuset';
  // Before 5.0 the text says "Out of memory" whatever was narrow: then the nodes tell.
  const nodes = new Set(memory.flatMap((info) => (info.of === 'zone' ? [info.node] : [])));
  if (nodes.size === 0) return null;
  if (invoked?.nodemask && ![...nodes].every((node) => nodeList(invoked.nodemask).has(node))) return 'mempolicy';
  if (cpuset && ![...nodes].every((node) => nodeList(cpuset.mems).has(node))) return 'cpuset';
  return 'system';
}

function versionOf({ counters }: OpenReport): 1 | 2 | null {
  if (counters.has('memory+swap') || counters.has('kmem')) return 1;
  return counters.has('swap') ? 2 : null;
}

function outcomeOf({ kills, nobody, panic }: OpenReport): OomReport['outcome'] {
  if (panic !== undefined) return 'panic';
  if (kills.length > 0) return 'killed';
  return nobody ? 'nobody_killable' : 'unknown';
}

function partsOf(draft: OpenReport): ReportPart[] {
  const parts: [ReportPart, boolean][] = [
    ['head', draft.invoked !== undefined],
    ['stack', draft.hasStack],
    ['cgroup', draft.counters.size > 0 || draft.stats.length > 0],
    ['memory', draft.memory.length > 0],
    ['tasks', draft.tasks.size > 0],
    ['summary', draft.summary !== undefined],
    ['kill', draft.kills.length > 0],
    ['reaper', draft.reaped.size > 0 || draft.unreapable.length > 0],
    ['panic', draft.panic !== undefined],
  ];
  return parts.filter(([, there]) => there).map(([part]) => part);
}

/** From 5.0 on the kill is told in KiB and the table in pages, of the same process. */
function pageBytesByKill({ kills, tasks }: OpenReport): number | null {
  for (const { pid, kib } of kills) {
    const pages = Number(tasks.get(pid)?.trim().split(/ +/)[2]);
    const size = ((kib['total-vm'] ?? 0) * 1024) / pages;
    if (PAGE_BYTES.includes(size)) return size;
  }
  return null;
}
