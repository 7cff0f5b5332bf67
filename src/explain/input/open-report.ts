/**
 * One report in the making. `score` says how well a line would go on where this report has got to, so that the lines of two
 * reports that were written at the same time find the right one.
 */
import type { MemInfo } from './mem-info.ts';
import type { ParsedLine } from './parsed-line.ts';
import type { LogLine } from './prefix.ts';

type Of<Is extends ParsedLine['is']> = Extract<ParsedLine, { is: Is }>;

/** In the order in which the kernel prints. */
const Phase = { head: 1, stack: 2, figures: 3, tasks: 4, summary: 5, end: 6 } as const;

/** More rows than there can be processes are not a task table. */
const MOST_TASKS = 200_000;
const MOST_FRAMES = 256;

type Kind = 'cgroup' | 'system';

function kindOf(fact: ParsedLine): Kind | undefined {
  if (fact.is === 'summary') return fact.constraint === 'CONSTRAINT_MEMCG' ? 'cgroup' : 'system';
  if (fact.is === 'memory') return 'system';
  return ['counter', 'stat', 'stats_of', 'task_in'].includes(fact.is) ? 'cgroup' : undefined;
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
  readonly memory: MemInfo[] = [];
  columns: string[] | undefined;
  tasks = new Map<number, string>();
  summary: Of<'summary'> | undefined;
  chosen: Of<'chosen'> | undefined;
  readonly kills: Of<'killed'>[] = [];
  group: string | undefined;
  nobody = false;
  panic: string | undefined;
  readonly reaped = new Map<number, Of<'reaped'>>();
  readonly unreapable: Of<'unreapable'>[] = [];
  readonly warnings: string[] = [];
  /** Lines that another report, open at the same time, might have had as well. */
  ambiguous = 0;
  /** Lines of any kind since its last. */
  idle = 0;
  #phase: number = Phase.head;
  #kind: Kind | undefined;
  #titled = false;

  constructor(start: LogLine) {
    this.start = start;
  }

  /** Nothing of it is to come but the reaper's word, and the other victims of a group. */
  get ended(): boolean {
    return this.kills.length > 0 || this.nobody || this.panic !== undefined;
  }

  /** As `ended`, but for a panic, whose stack comes after it. */
  get waiting(): boolean {
    return this.ended && !(this.#justPanicked && this.idle < MOST_FRAMES);
  }

  /** @returns 0: not of this report */
  score(fact: ParsedLine, line: LogLine): number {
    const { start } = this;
    if (start.host !== null && line.host !== null && start.host !== line.host) return 0;
    if (start.bootId !== null && line.bootId !== null && start.bootId !== line.bootId) return 0;
    if (!this.#ofItsKind(fact)) return 0;
    const alike = this.#fits(fact);
    const fits = alike > 0 && this.#kind !== undefined && kindOf(fact) === this.#kind ? alike + 2 : alike;
    if (fits === 0 || fact.is === 'reaped' || fact.is === 'unreapable') return fits; // the reaper is another task
    if (start.caller === null || line.caller === null) return fits;
    return start.caller === line.caller ? fits + 10 : 0;
  }

  /** A report has the figures of a cgroup or of the system, and its summary is of the same kind. */
  #ofItsKind(fact: ParsedLine): boolean {
    const kind = kindOf(fact);
    return kind === undefined || this.#kind === undefined || kind === this.#kind;
  }

  #fits(fact: ParsedLine): number {
    const before = (phase: number) => !this.ended && this.#phase <= phase;
    switch (fact.is) {
      case 'cpu':
        if (this.cpu) return 0;
        return this.#justPanicked || (before(Phase.stack) && this.invoked?.comm === fact.comm) ? 3 : 0;
      case 'cpuset':
        return before(Phase.stack) && !this.cpuset && this.invoked?.comm === fact.comm ? 3 : 0;
      case 'trace':
      case 'frame':
      case 'machine':
        if (this.stack.length >= MOST_FRAMES) return 0;
        return this.#justPanicked || (before(Phase.stack) && this.invoked) ? 1 : 0;
      case 'task_in':
        return before(Phase.figures) && !this.taskIn ? 1 : 0;
      case 'counter':
        return before(Phase.figures) && !this.counters.has(fact.counter) && this.memory.length === 0 ? 1 : 0;
      case 'stats_of':
        return before(Phase.figures) && !this.stats.some(({ path }) => path === fact.path) ? 1 : 0;
      case 'stat': {
        const current = this.stats.at(-1);
        return before(Phase.figures) && current && !Object.hasOwn(current.values, fact.key) ? 1 : 0;
      }
      case 'memory':
        return before(Phase.figures) && this.counters.size === 0 ? this.#fitsMemory(fact.info) : 0;
      case 'columns':
        if (!before(Phase.tasks) || this.tasks.size > 0 || this.columns?.length) return 0;
        if (this.columns) return 4; // the title was there, these are the names
        if (this.#kind === 'cgroup') return 2;
        // The number of pages comes last in Mem-Info.
        return this.memory.some((info) => info.of === 'count' && info.what === 'ram') ? 3 : 1;
      case 'task':
        if (!before(Phase.tasks) || this.tasks.has(fact.pid) || this.tasks.size >= MOST_TASKS) return 0;
        return this.columns || !this.invoked ? 2 : 1;
      case 'summary':
        if (!before(Phase.tasks) || this.summary) return 0;
        return 1 + (this.tasks.has(fact.pid) ? 2 : 0) + (fact.limit !== null && this.#path() === fact.limit ? 2 : 0);
      case 'chosen':
        return before(Phase.summary) && !this.chosen ? 1 + (this.tasks.has(fact.pid) ? 2 : 0) : 0;
      case 'killed':
        return this.#fitsKill(fact.pid);
      case 'group':
        return this.group === undefined && this.kills.length > 0 ? 1 + (this.summary?.limit === fact.path ? 2 : 0) : 0;
      case 'nobody':
        return this.ended ? 0 : 1;
      case 'panic':
        return this.kills.length === 0 && this.panic === undefined ? 1 : 0;
      case 'reaped':
      case 'unreapable':
        return this.kills.some(({ pid, comm }) => pid === fact.pid && comm === fact.comm) ? 5 : 0;
      default:
        return 0;
    }
  }

  #fitsMemory(info: MemInfo): number {
    if (info.of === 'title') return this.memory.length === 0 ? 2 : 0;
    if (this.invoked && !this.#titled) return 0;
    const has = (same: (other: MemInfo) => boolean) => this.memory.some(same);
    switch (info.of) {
      case 'totals':
        return has((one) => one.of === 'totals' && Object.keys(info.pages).some((key) => Object.hasOwn(one.pages, key)))
          ? 0
          : 1;
      case 'node':
        return has((one) => one.of === 'node' && one.node === info.node) ? 0 : 1;
      case 'zone':
      case 'buddy':
        return has((one) => one.of === info.of && one.node === info.node && one.zone === info.zone) ? 0 : 1;
      case 'reserve':
        return this.memory.at(-1)?.of === 'zone' ? 2 : 0;
      case 'hugepages':
        return has((one) => one.of === 'hugepages' && one.node === info.node && one.sizeKib === info.sizeKib) ? 0 : 1;
      case 'count':
      case 'swap':
        return has((one) => one.of === info.of && one.what === info.what) ? 0 : 1;
      case 'slab':
        return has(({ of }) => of === 'slabs') && !has((one) => one.of === 'slab' && one.name === info.name) ? 1 : 0;
      default:
        return 1;
    }
  }

  /**
   * The kernel kills whom it has named; but where the leader of that process has exited it names the leader and kills a thread
   * (mm/oom_kill.c: find_lock_task_mm), before 5.1 it may kill a child instead, and a group is killed as a whole.
   */
  #fitsKill(pid: number): number {
    if (this.group !== undefined) return this.tasks.has(pid) || this.tasks.size === 0 ? 3 : 1;
    if (this.ended) return 0;
    if (this.summary?.pid === pid || this.chosen?.pid === pid) return 6;
    if (this.summary) return this.#tgid(pid) === this.summary.pid ? 6 : this.tasks.size === 0 && this.idle < 2 ? 1 : 0;
    if (this.chosen) return this.tasks.has(pid) ? 4 : 1;
    return this.tasks.has(pid) ? 4 : 1;
  }

  /** A console that shows only what is urgent has the panic, and after it the stack. */
  get #justPanicked(): boolean {
    return this.panic !== undefined && !this.invoked;
  }

  #tgid(pid: number): number | undefined {
    const rest = this.tasks.get(pid);
    return rest === undefined ? undefined : Number(rest.trim().split(/ +/)[1]);
  }

  #path(): string | null {
    return this.stats[0]?.path ?? this.taskIn?.limit ?? null;
  }

  /** The one has the table of the other. */
  swapTable(other: OpenReport): void {
    [this.tasks, other.tasks] = [other.tasks, this.tasks];
    [this.columns, other.columns] = [other.columns, this.columns];
  }

  take(fact: ParsedLine): void {
    this.idle = 0;
    this.#kind ??= kindOf(fact);
    const to = (phase: number) => {
      this.#phase = Math.max(this.#phase, phase);
    };
    switch (fact.is) {
      case 'invoked':
        this.invoked = fact;
        break;
      case 'cpu':
      case 'cpuset':
        this.#set(fact);
        to(Phase.stack);
        break;
      case 'trace':
      case 'machine':
        this.hasStack ||= fact.is === 'trace';
        to(Phase.stack);
        break;
      case 'frame':
        if (fact.sure) this.stack.push(fact.name);
        this.hasStack = true;
        to(Phase.stack);
        break;
      case 'task_in':
        this.taskIn = fact;
        to(Phase.figures);
        break;
      case 'counter':
        this.counters.set(fact.counter, fact);
        to(Phase.figures);
        break;
      case 'stats_of':
        this.stats.push({ path: fact.path, values: { ...fact.values } });
        to(Phase.figures);
        break;
      case 'stat':
        (this.stats.at(-1) as { values: Record<string, number> }).values[fact.key] = fact.value;
        break;
      case 'memory':
        this.#titled ||= fact.info.of === 'title';
        this.memory.push(fact.info);
        to(Phase.figures);
        break;
      case 'columns':
        if (fact.names.length > 0 || !this.columns) this.columns = fact.names;
        to(Phase.tasks);
        break;
      case 'task':
        this.tasks.set(fact.pid, fact.rest);
        to(Phase.tasks);
        break;
      case 'summary':
        this.summary = fact;
        to(Phase.summary);
        break;
      case 'chosen':
        this.chosen = fact;
        to(Phase.end);
        break;
      case 'killed':
        // A group's first victim is taken a second time (mm/oom_kill.c: oom_kill_memcg_member).
        if (!this.kills.some(({ pid }) => pid === fact.pid)) this.kills.push(fact);
        to(Phase.end);
        break;
      case 'group':
        this.group = fact.path;
        break;
      case 'nobody':
        this.nobody = true;
        to(Phase.end);
        break;
      case 'panic':
        this.panic = fact.text;
        to(Phase.end);
        break;
      case 'reaped':
        this.reaped.set(fact.pid, fact);
        break;
      case 'unreapable':
        this.unreapable.push(fact);
        break;
      case 'sysrq':
        break;
    }
  }

  #set(fact: Of<'cpu'> | Of<'cpuset'>): void {
    if (fact.is === 'cpu') this.cpu = fact;
    else this.cpuset = fact;
  }
}
