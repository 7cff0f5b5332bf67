/** What one line of an OOM report says. Sizes are as printed, in KiB or in pages: see each line. */
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
  /** A kernel without CONFIG_COMPACTION, and a request for more than one page. */
  | { is: 'compaction' }
  | { is: 'cpuset'; comm: string; cpuset: string; mems: string }
  | { is: 'cpu'; cpu: number | null; uid: number | null; pid: number; comm: string; kernel: string | null }
  | { is: 'trace' }
  | { is: 'frame'; name: string; sure: boolean }
  /** Registers, hardware and the like: part of a stack dump, and of no use here. */
  | { is: 'machine' }
  /** cgroup v1: the victim's cgroup, and the one whose limit was hit. */
  | { is: 'task_in'; task: string; limit: string }
  /** KiB. */
  | { is: 'counter'; counter: CounterName; usage: number; limit: number; failures: number | null }
  | { is: 'stats_of'; path: string; values: Record<string, number> }
  | { is: 'stat'; key: string; value: number }
  | { is: 'memory'; info: MemoryLine }
  | { is: 'columns'; names: string[] }
  /** `rest`: the numbers and the name, which only the columns can tell apart. */
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
      /** Fields may be missing that the kernel printed. */
      cut: boolean;
    }
  | { is: 'group'; path: string }
  | { is: 'no_victim' }
  | { is: 'panic'; text: string }
  /** KiB that were left after the reaper was done; null where the line is cut. */
  | { is: 'reaped'; pid: number; comm: string; anon: number | null; file: number | null; shmem: number | null }
  | { is: 'unreapable'; pid: number; comm: string };

export type CounterName = 'memory' | 'memory+swap' | 'swap' | 'kmem';
export type KilledSize = 'total-vm' | 'anon-rss' | 'file-rss' | 'shmem-rss' | 'pgtables';
export type Of<Is extends ParsedLine['is']> = Extract<ParsedLine, { is: Is }>;

/** Named groups of a match. */
export type Groups = Record<string, string | undefined>;

/** One kind of line: how it is recognised, and how its groups are read. */
export interface LineKind {
  /** A cheap test before the pattern; without it the pattern is tried on every line. */
  likely?: (text: string) => boolean;
  pattern: RegExp;
  /** undefined: the pattern matched, and it is no line of an OOM report all the same. */
  read: (groups: Groups) => ParsedLine | undefined;
}
