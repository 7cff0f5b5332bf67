/**
 * Rates how well a line continues a report, because the lines of several reports may be mixed: the line goes to the
 * report with the most points. 0 points: the line cannot belong to the report.
 */
import type { MemoryLine } from '../lines/memory-lines.ts';
import type { Of, ParsedLine } from '../lines/parsed-line.ts';
import type { LogLine } from './log-line.ts';
import { kindOf, MOST_FRAMES, type OpenReport, Phase } from './open-report.ts';
import { readTime } from './stamp.ts';

/** A task table has at most this many rows. */
const MOST_TASKS = 200_000;

/** @param from the line in the log: its host, boot and printk caller must be the same as those of the report */
export function fitness(report: OpenReport, line: ParsedLine, from: LogLine): number {
  const { start, kind } = report;
  if (start.host !== null && from.host !== null && start.host !== from.host) return 0;
  if (start.bootId !== null && from.bootId !== null && start.bootId !== from.bootId) return 0;
  const ofKind = kindOf(line);
  if (ofKind !== undefined && kind !== undefined && ofKind !== kind) return 0;
  const plain = (FIT[line.is] as (report: OpenReport, line: ParsedLine) => number)(report, line);
  const points = plain > 0 && kind !== undefined && ofKind === kind ? plain + 2 : plain;
  // oom_reaper is a separate kernel thread, so the printk caller of its lines differs from the caller of the report.
  if (line.is === 'killed' && report.kills.some(({ pid }) => pid === line.pid) && isFarApart(start, from)) return 0;
  if (points === 0 || line.is === 'reaped' || line.is === 'unreapable') return points;
  if (start.caller === null || from.caller === null) return points;
  return start.caller === from.caller ? points + 10 : 0;
}

/** Two identical kill lines more than 5 s apart are two kills: the pid was reused. */
function isFarApart(one: LogLine, other: LogLine): boolean {
  if (one.sinceBootUs !== null && other.sinceBootUs !== null)
    return Math.abs(other.sinceBootUs - one.sinceBootUs) > 5e6;
  const [first, second] = [readTime(one), readTime(other)];
  return first !== null && second !== null && Math.abs(second - first) > 5000;
}

const before = (report: OpenReport, phase: number) => !report.ended && report.phase <= phase;

function fitsStack(report: OpenReport): number {
  if (report.stack.length >= MOST_FRAMES) return 0;
  if (report.justPanicked) return 1;
  return before(report, Phase.stack) && (report.invoked || report.tentative || report.hasStack) ? 1 : 0;
}

function fitsReaper({ kills, summary, chosen }: OpenReport, line: Of<'reaped'> | Of<'unreapable'>): number {
  if (kills.some(({ pid, comm }) => pid === line.pid && comm === line.comm)) return 5;
  return kills.length === 0 && (summary?.pid === line.pid || chosen?.pid === line.pid) ? 4 : 0;
}

type Fit = { [Is in ParsedLine['is']]: (report: OpenReport, line: Of<Is>) => number };

const FIT: Fit = {
  invoked: () => 0,
  sysrq: () => 0,
  compaction: (report) => (before(report, Phase.stack) && report.invoked ? 1 : 0),
  cpu: (report, { comm }) => {
    if (report.cpu) return 0;
    if (report.justPanicked) return 3;
    if (!before(report, Phase.stack)) return 0;
    return isAsker(report, comm) ? 3 : report.tentative ? 1 : 0;
  },
  cpuset: (report, { comm }) => (before(report, Phase.stack) && !report.cpuset && isAsker(report, comm) ? 3 : 0),
  trace: fitsStack,
  frame: fitsStack,
  machine: fitsStack,
  hardware: (report) => (report.hardware === undefined ? fitsStack(report) : 0),
  task_in: (report) => (before(report, Phase.figures) && !report.taskIn ? 1 : 0),
  counter: (report, { counter }) =>
    before(report, Phase.figures) && !report.counters.has(counter) && report.memory.length === 0 ? 1 : 0,
  stats_of: (report, line) =>
    before(report, Phase.figures) && !report.stats.some(({ path }) => path === line.path) ? 1 : 0,
  stat: (report, { key }) => {
    const current = report.stats.at(-1);
    return before(report, Phase.figures) && current && !Object.hasOwn(current.values, key) ? 1 : 0;
  },
  memory: (report, { info }) =>
    before(report, Phase.figures) && report.counters.size === 0 ? fitsMemory(report, info) : 0,
  columns: fitsColumns,
  task: (report, { pid }) => {
    if (!before(report, Phase.tasks) || report.tasks.has(pid) || report.tasks.size >= MOST_TASKS) return 0;
    return report.columns || !report.invoked ? 2 : 1;
  },
  summary: (report, { pid, comm, limit }) => {
    if (report.summary) return 0;
    // In logs that were sorted or put together by hand the summary may come after the kill.
    const [kill] = report.kills;
    if (kill && !report.invoked) return pid === null ? (kill.comm === comm ? 2 : 0) : kill.pid === pid ? 4 : 0;
    if (!before(report, Phase.tasks)) return 0;
    return (
      1 + (pid !== null && report.tasks.has(pid) ? 2 : 0) + (limit !== null && limitPath(report) === limit ? 2 : 0)
    );
  },
  chosen: (report, { pid }) =>
    before(report, Phase.summary) && !report.chosen ? 1 + (report.tasks.has(pid) ? 2 : 0) : 0,
  killed: (report, line) => (isAgain(report, line) ? 2 : fitsKill(report, line.pid)),
  group: ({ group, kills, summary }, { path }) =>
    group === undefined && kills.length > 0 ? 1 + (summary?.limit === path ? 2 : 0) : 0,
  no_victim: ({ ended }) => (ended ? 0 : 1),
  panic: ({ kills, panic, idle }, { text }) => {
    if (panic !== undefined) return 0;
    // With panic_on_oom, a page fault that a cgroup refused may panic the machine right after the kill.
    return kills.length === 0 ? 1 : /page fault/.test(text) && idle < 10 ? 1 : 0;
  },
  reaped: fitsReaper,
  unreapable: fitsReaper,
};

function fitsColumns(report: OpenReport): number {
  if (!before(report, Phase.tasks) || report.tasks.size > 0 || report.columns?.length) return 0;
  if (report.columns) return 4; // the title came before; this line has the column names
  if (report.kind === 'cgroup') return 2;
  // The line "N pages RAM" is near the end of Mem-Info, and the task table follows it.
  return report.memory.some((info) => info.of === 'count' && info.what === 'ram') ? 3 : 1;
}

/** Each figure of Mem-Info is printed once. */
function fitsMemory({ memory, invoked, titled, taskIn }: OpenReport, info: MemoryLine): number {
  if (info.of === 'title') return memory.length === 0 ? 2 : 0;
  // Without the title "Mem-Info:" these lines may belong to a failed allocation instead.
  if (invoked && !titled && !taskIn && !['totals', 'count', 'swap', 'slabs', 'slab'].includes(info.of)) return 0;
  const once = (same: (other: MemoryLine) => boolean) => (memory.some(same) ? 0 : 1);
  switch (info.of) {
    case 'totals':
      return once((one) => one.of === 'totals' && Object.keys(info.pages).some((key) => Object.hasOwn(one.pages, key)));
    case 'node':
      return once((one) => one.of === 'node' && one.node === info.node);
    case 'zone':
    case 'buddy':
      return once((one) => one.of === info.of && one.node === info.node && one.zone === info.zone);
    case 'reserve':
      return memory.at(-1)?.of === 'zone' ? 2 : 0;
    case 'hugepages':
      return once((one) => one.of === 'hugepages' && one.node === info.node && one.sizeKib === info.sizeKib);
    case 'count':
    case 'swap':
      return once((one) => one.of === info.of && one.what === info.what);
    case 'slab':
      return memory.some(({ of }) => of === 'slabs') ? once((one) => one.of === 'slab' && one.name === info.name) : 0;
    case 'swap_cache_stats':
      return once((one) => one.of === info.of);
    default:
      return 1;
  }
}

/**
 * The kernel kills the process that it named before, with three exceptions. When the main thread of the process has
 * exited, the kill line names another thread (mm/oom_kill.c: find_lock_task_mm). Before 5.1 the kernel may kill a child
 * instead. With memory.oom.group it kills all processes of the cgroup.
 */
function fitsKill(report: OpenReport, pid: number): number {
  const { group, ended, summary, chosen, tasks, idle } = report;
  if (group !== undefined) return tasks.has(pid) || tasks.size === 0 ? 3 : 1;
  if (ended) return 0;
  if (summary?.pid === pid || chosen?.pid === pid) return 6;
  if (summary && summary.pid !== null)
    return tgidOf(report, pid) === summary.pid ? 6 : tasks.size === 0 && idle < 2 ? 1 : 0;
  return tasks.has(pid) ? 4 : 1;
}

/**
 * With memory.oom.group the kernel prints the kill of the first victim twice; the line that names the group may be
 * lost.
 */
const isAgain = ({ kills, idle }: OpenReport, { pid, comm }: Of<'killed'>) =>
  idle < 30 && kills.some((kill) => kill.pid === pid && kill.comm === comm);

function tgidOf({ tasks }: OpenReport, pid: number): number | undefined {
  const rest = tasks.get(pid);
  return rest === undefined ? undefined : Number(rest.trim().split(/ +/)[1]);
}

const limitPath = ({ stats, taskIn }: OpenReport) => stats[0]?.path ?? taskIn?.limit ?? null;

/** True when `comm` is the name in the head of the report, which may still have a part of a prefix before it. */
const isAsker = ({ invoked }: OpenReport, comm: string) =>
  invoked !== undefined &&
  (invoked.comm === comm ||
    (comm !== '' && new RegExp(/[^\w]$/).test(invoked.comm.slice(0, -comm.length)) && invoked.comm.endsWith(comm)));
