/** A report that is still being read. */
import type { MemoryLine } from '../lines/memory-lines.ts';
import type { Of, ParsedLine } from '../lines/parsed-line.ts';
import type { LogLine } from './log-line.ts';

/** The parts of a report in the order in which the kernel prints them. */
export const Phase = { head: 1, stack: 2, figures: 3, tasks: 4, summary: 5, end: 6 } as const;
type PhaseNumber = (typeof Phase)[keyof typeof Phase];

export const MOST_FRAMES = 256;

/** A report has the figures of one cgroup or of the whole system, never both. */
export type Kind = 'cgroup' | 'system';

/** undefined: reports of both kinds have such lines. */
export function kindOf(line: ParsedLine): Kind | undefined {
  // Linux 5.1 prints CONSTRAINT_NONE also for a cgroup's limit, so `limit` decides.
  if (line.is === 'summary') return line.constraint === 'CONSTRAINT_MEMCG' || line.limit ? 'cgroup' : 'system';
  if (line.is === 'memory' || (line.is === 'task_in' && line.limit === null)) return 'system';
  return ['counter', 'stat', 'stats_of', 'task_in'].includes(line.is) ? 'cgroup' : undefined;
}

export class OpenReport {
  readonly start: LogLine;
  /** The lines as read, without their prefixes. */
  readonly texts: string[] = [];
  invoked: Of<'invoked'> | undefined;
  cpu: Of<'cpu'> | undefined;
  cpuset: Of<'cpuset'> | undefined;
  hardware: string | undefined;
  readonly stack: string[] = [];
  hasStack = false;
  taskIn: Of<'task_in'> | undefined;
  readonly counters = new Map<string, Of<'counter'>>();
  readonly stats: { path: string | null; values: Record<string, number> }[] = [];
  readonly memory: MemoryLine[] = [];
  /** The line "Mem-Info:" was read. */
  titled = false;
  columns: string[] | undefined;
  tasks = new Map<number, string>();
  summary: Of<'summary'> | undefined;
  chosen: Of<'chosen'> | undefined;
  readonly kills: Of<'killed'>[] = [];
  group: string | undefined;
  noVictim = false;
  panic: string | undefined;
  readonly reaped = new Map<number, Of<'reaped'>>();
  readonly unreapable: Of<'unreapable'>[] = [];
  /** The kill was requested with SysRq-f: "Manual OOM execution" came just before the head. */
  sysrq = false;
  /** The cgroup in a warning of the slab allocator just before the report: a cache of this cgroup could not grow. */
  slubCgroup: string | undefined;
  /** The line "COMPACTION is disabled!!!" was read: the kernel is built without CONFIG_COMPACTION. */
  noCompaction = false;
  /** No line so far proves that this is an OOM report: the kernel prints stacks and Mem-Info for other reasons too. */
  tentative = false;
  readonly warnings: string[] = [];
  /** Number of lines that fitted another open report equally well. */
  ambiguous = 0;
  /** Number of lines in the log since the last line of this report. */
  idle = 0;
  phase: PhaseNumber = Phase.head;
  kind: Kind | undefined;

  constructor(start: LogLine) {
    this.start = start;
  }

  /** The outcome is known; only lines of oom_reaper and further victims of a group may still come. */
  get ended(): boolean {
    return this.kills.length > 0 || this.noVictim || this.panic !== undefined;
  }

  /** Like `ended`, but false after a panic while its stack may still follow. */
  get waiting(): boolean {
    return this.ended && !(this.justPanicked && this.idle < MOST_FRAMES);
  }

  /** The report begins with the panic, as on a console that shows urgent messages only: a stack follows the panic. */
  get justPanicked(): boolean {
    return this.panic !== undefined && !this.invoked;
  }

  take(line: ParsedLine): void {
    this.idle = 0;
    this.kind ??= kindOf(line);
    // TypeScript cannot express that TAKE[line.is] accepts exactly this line.
    const phase = (TAKE[line.is] as (report: OpenReport, line: ParsedLine) => PhaseNumber | undefined)(this, line);
    if (phase !== undefined && phase > this.phase) this.phase = phase;
  }

  /** Replaces the last line of this kind by its complete form, after its wrapped rest was read. */
  amend(line: ParsedLine): void {
    this.idle = 0;
    if (line.is === 'memory') this.memory.pop();
    else if (line.is === 'stats_of') this.stats.pop();
    else if (line.is === 'killed') {
      const at = this.kills.findIndex(({ pid }) => pid === line.pid);
      if (at >= 0) this.kills[at] = line;
      return;
    }
    this.take(line);
  }

  /** Exchanges the task tables of two reports whose rows were mixed up. */
  swapTable(other: OpenReport): void {
    [this.tasks, other.tasks] = [other.tasks, this.tasks];
    [this.columns, other.columns] = [other.columns, this.columns];
  }
}

type Take = { [Is in ParsedLine['is']]: (report: OpenReport, line: Of<Is>) => PhaseNumber | undefined };

/** Adds a line of each kind to a report. @returns the earliest phase that the report can be in after the line */
const TAKE: Take = {
  invoked: (report, line) => {
    report.invoked = line;
    return undefined;
  },
  sysrq: () => undefined,
  compaction: (report) => {
    report.noCompaction = true;
    return undefined;
  },
  cpu: (report, line) => {
    report.cpu = line;
    return Phase.stack;
  },
  cpuset: (report, line) => {
    report.cpuset = line;
    return Phase.stack;
  },
  trace: (report) => {
    report.hasStack = true;
    return Phase.stack;
  },
  machine: () => Phase.stack,
  hardware: (report, { name }) => {
    report.hardware = name;
    return Phase.stack;
  },
  frame: (report, { name, sure }) => {
    if (sure) report.stack.push(name);
    report.hasStack = true;
    return Phase.stack;
  },
  task_in: (report, line) => {
    report.taskIn = line;
    return Phase.figures;
  },
  counter: (report, line) => {
    report.counters.set(line.counter, line);
    return Phase.figures;
  },
  stats_of: (report, { path, values }) => {
    report.stats.push({ path, values: { ...values } });
    return Phase.figures;
  },
  stat: (report, { key, value }) => {
    const current = report.stats.at(-1);
    if (current) current.values[key] = value;
    return undefined;
  },
  memory: (report, { info }) => {
    report.titled ||= info.of === 'title';
    report.memory.push(info);
    return Phase.figures;
  },
  columns: (report, { names }) => {
    if (names.length > 0 || !report.columns) report.columns = names;
    return Phase.tasks;
  },
  task: (report, { pid, rest }) => {
    report.tasks.set(pid, rest);
    return Phase.tasks;
  },
  summary: (report, line) => {
    report.summary = line;
    return Phase.summary;
  },
  chosen: (report, line) => {
    report.chosen = line;
    return Phase.end;
  },
  killed: (report, line) => {
    // The kernel prints the first victim of a group a second time (mm/oom_kill.c: oom_kill_memcg_member).
    if (!report.kills.some(({ pid }) => pid === line.pid)) report.kills.push(line);
    return Phase.end;
  },
  group: (report, { path }) => {
    report.group = path;
    return undefined;
  },
  no_victim: (report) => {
    report.noVictim = true;
    return Phase.end;
  },
  panic: (report, { text }) => {
    report.panic = text;
    return Phase.end;
  },
  reaped: (report, line) => {
    report.reaped.set(line.pid, line);
    return undefined;
  },
  unreapable: (report, line) => {
    report.unreapable.push(line);
    return undefined;
  },
};
