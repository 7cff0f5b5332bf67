/** One parsed line of an OOM report. Sizes have the unit of the log, KiB or pages, as noted at each kind. */
import type { MemoryLine } from './memory-lines.ts';

export type ParsedLine =
  /** The head: "NAME invoked oom-killer: …". */
  | {
      is: 'invoked';
      comm: string;
      mask: string | null;
      names: string | null;
      order: number | null;
      adj: number | null;
      nodemask: string | null;
    }
  | { is: 'sysrq' }
  /** "COMPACTION is disabled!!!": the kernel lacks CONFIG_COMPACTION, and the request was for more than one page. */
  | { is: 'compaction' }
  | { is: 'cpuset'; comm: string; cpuset: string; mems: string }
  /** The CPU and the task that it ran. `taints`: the letters of the kernel's taint flags, "" for none. */
  | {
      is: 'cpu';
      cpu: number | null;
      uid: number | null;
      pid: number;
      comm: string;
      kernel: string | null;
      taints: string;
    }
  | { is: 'hardware'; name: string }
  | { is: 'trace' }
  | { is: 'frame'; name: string; sure: boolean }
  /** A line of a stack dump that is not used, such as registers. */
  | { is: 'machine' }
  /** cgroup v1: the victim's cgroup, and the cgroup whose limit was hit. */
  | { is: 'task_in'; task: string; limit: string | null }
  /** Usage and limit of the cgroup, in KiB. */
  | { is: 'counter'; counter: CounterName; usage: number; limit: number; failures: number | null }
  | { is: 'stats_of'; path: string; values: Record<string, number> }
  | { is: 'stat'; key: string; value: number }
  | { is: 'memory'; info: MemoryLine }
  | { is: 'columns'; names: string[] }
  /** A row of the task table. `rest`: the numbers and the name, which are split later by the column names. */
  | { is: 'task'; pid: number; rest: string }
  | {
      is: 'summary';
      constraint: string;
      nodemask: string | null;
      cpuset: string | null;
      mems: string | null;
      limit: string | null;
      task: string | null;
      comm: string | null;
      pid: number | null;
      uid: number | null;
    }
  /** Before 5.1: "Kill process PID (NAME) score N or sacrifice child". */
  | { is: 'chosen'; why: string; pid: number; comm: string; score: number | null }
  | {
      is: 'killed';
      why: string | null;
      pid: number;
      comm: string;
      uid: number | null;
      kib: Partial<Record<KilledSize, number>>;
      adj: number | null;
      /** True: the log may have lost some fields of this line. */
      cut: boolean;
    }
  | { is: 'group'; path: string }
  | { is: 'no_victim' }
  | { is: 'panic'; text: string }
  /** Memory that the victim still had after oom_reaper, in KiB; null where the line is cut. */
  | { is: 'reaped'; pid: number; comm: string; anon: number | null; file: number | null; shmem: number | null }
  | { is: 'unreapable'; pid: number; comm: string };

export type CounterName = 'memory' | 'memory+swap' | 'swap' | 'kmem';
export type KilledSize = 'total-vm' | 'anon-rss' | 'file-rss' | 'shmem-rss' | 'pgtables';
export type Of<Is extends ParsedLine['is']> = Extract<ParsedLine, { is: Is }>;

/** Named groups of a regular expression match. */
export type Groups = Record<string, string | undefined>;

/** One kind of line: the pattern that recognises it, and a function that reads the groups of the match. */
export interface LineKind {
  /** A fast test that is done before the pattern. Without `likely` the pattern is tried on every line. */
  likely?: (text: string) => boolean;
  pattern: RegExp;
  /** undefined: the pattern matched, but the line is not part of an OOM report. */
  read: (groups: Groups) => ParsedLine | undefined;
}
