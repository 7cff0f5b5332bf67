/** One report while its lines are still coming in. */
import type { MemoryLine } from '../lines/memory-lines.ts';
import type { Of, ParsedLine } from '../lines/parsed-line.ts';
import type { LogLine } from './log-line.ts';

/** In the order in which the kernel prints. */
export const Phase = { head: 1, stack: 2, figures: 3, tasks: 4, summary: 5, end: 6 } as const;
type PhaseNumber = (typeof Phase)[keyof typeof Phase];

export const MOST_FRAMES = 256;

/** A report has the figures of a cgroup or those of the system, never both. */
export type Kind = 'cgroup' | 'system';

/** undefined: lines of this sort are in reports of both kinds. */
export function kindOf(line: ParsedLine): Kind | undefined {
  // 5.1 prints CONSTRAINT_NONE for a cgroup as well.
  if (line.is === 'summary') return line.constraint === 'CONSTRAINT_MEMCG' || line.limit ? 'cgroup' : 'system';
  if (line.is === 'memory') return 'system';
  return ['counter', 'stat', 'stats_of', 'task_in'].includes(line.is) ? 'cgroup' : undefined;
}

export class OpenReport {
  readonly start: LogLine;
  invoked: Of<'invoked'> | undefined;
  cpu: Of<'cpu'> | undefined;
  cpuset: Of<'cpuset'> | undefined;
  readonly stack: string[] = [];
  hasStack = false;
  taskIn: Of<'task_in'> | undefined;
  readonly counters = new Map<string, Of<'counter'>>();
  readonly stats: { path: string | null; values: Record<string, number> }[] = [];
  readonly memory: MemoryLine[] = [];
  /** "Mem-Info:" was there. */
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
  /** SysRq-f asked for it: the line before the head says so. */
  sysrq = false;
  /** The kernel has no compaction. */
  noCompaction = false;
  /** Nothing of it is an OOM report's alone so far: memory and stacks are printed for other reasons as well. */
  tentative = false;
  readonly warnings: string[] = [];
  /** Lines that another report, open at the same time, might have had as well. */
  ambiguous = 0;
  /** Lines of any kind since the last line of this report. */
  idle = 0;
  phase: PhaseNumber = Phase.head;
  kind: Kind | undefined;

  constructor(start: LogLine) {
    this.start = start;
  }

  /** The outcome is known; only the reaper's line and the other victims of a group may still come. */
  get ended(): boolean {
    return this.kills.length > 0 || this.noVictim || this.panic !== undefined;
  }

  /** As `ended`, except after a panic, whose stack follows it. */
  get waiting(): boolean {
    return this.ended && !(this.justPanicked && this.idle < MOST_FRAMES);
  }

  /** A console that shows urgent messages only has the panic, and the stack after it. */
  get justPanicked(): boolean {
    return this.panic !== undefined && !this.invoked;
  }

  take(line: ParsedLine): void {
    this.idle = 0;
    this.kind ??= kindOf(line);
    // The table is typed by kind, which indexing by the union cannot express.
    const phase = (TAKE[line.is] as (report: OpenReport, line: ParsedLine) => PhaseNumber | undefined)(this, line);
    if (phase !== undefined && phase > this.phase) this.phase = phase;
  }

  /** Replaces the last line of its kind by the same line with what a folded copy had put on the next line. */
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

/** How each kind of line enters a report. @returns the phase that the report is in after it, at least */
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
