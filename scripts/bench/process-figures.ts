/** Reads the cost of a running process from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Footprint {
  rss_kib: number;
  anonymous_kib: number;
  file_kib: number;
  /** Proportional set size: shared pages are divided among the processes that share them. */
  pss_kib: number;
  threads: number;
  descriptors: number;
}

/** The context switches of each thread since the thread began, by tid. */
export type Switches = Record<string, { name: string; voluntary: number; involuntary: number }>;

export function footprint(pid: number): Footprint {
  const status = figures(`/proc/${pid}/status`);
  return {
    rss_kib: status.VmRSS ?? 0,
    anonymous_kib: status.RssAnon ?? 0,
    file_kib: status.RssFile ?? 0,
    pss_kib: figures(`/proc/${pid}/smaps_rollup`).Pss ?? 0,
    threads: status.Threads ?? 0,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

export function switches(pid: number): Switches {
  return Object.fromEntries(
    readdirSync(`/proc/${pid}/task`).map((tid) => {
      const task = `/proc/${pid}/task/${tid}`;
      const { voluntary_ctxt_switches: voluntary = 0, nonvoluntary_ctxt_switches: involuntary = 0 } = figures(
        `${task}/status`,
      );
      return [tid, { name: readFileSync(`${task}/comm`, 'utf8').trim(), voluntary, involuntary }];
    }),
  );
}

/** The page faults of a process's first thread so far, without those that read a file (proc_pid_stat(5): minflt). */
export function pageFaults(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[7]);
}

export function firstChildOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

/** How many times each thread ran between two samples. A thread that began between them counts from zero. */
export function switchesBetween(before: Switches, after: Switches): Switches {
  const ran = Object.entries(after).map(([tid, now]) => {
    const then = before[tid] ?? { voluntary: 0, involuntary: 0 };
    const voluntary = now.voluntary - then.voluntary;
    return [tid, { name: now.name, voluntary, involuntary: now.involuntary - then.involuntary }] as const;
  });
  return Object.fromEntries(ran.filter(([, { voluntary, involuntary }]) => voluntary + involuntary > 0));
}

function figures(file: string): Record<string, number> {
  const lines = readFileSync(file, 'utf8').split('\n');
  return Object.fromEntries(
    lines.map((line) => line.split(/:\s+/)).map(([key, value]) => [key, Number.parseInt(value ?? '', 10)]),
  );
}
