/**
 * Lines about the cgroup whose limit was hit: usage, limits and statistics (mm/memcontrol.c: mem_cgroup_print_oom_*).
 */
import { int, maybe, units } from './digits.ts';
import type { CounterName, LineKind } from './parsed-line.ts';

const COUNTER =
  /^(?<counter>memory\+swap|memory|swap|kmem): usage (?<usage>\d+)kB, limit (?<limit>\d+)kB(?:, failcnt (?<failures>\d+))?\s*$/;
const STAT = /^(?<key>[a-z][a-z0-9_]*) (?<value>\d+)\s*$/;
const STATS_OF = /^Memory cgroup stats for (?<path>.*?):(?<rest>(?:\s+[a-z_]+:\d+KB)*)\s*$/s;
const TASK_IN = /^Task in (?<task>.*) killed as a result of limit of (?<limit>.*?)\s*$/s;
const GROUP = /^Tasks in (?<path>.*) are going to be killed due to memory\.oom\.group\b/s;

export const figures: readonly LineKind[] = [
  {
    pattern: COUNTER,
    read: ({ counter, usage, limit, failures }) => ({
      is: 'counter',
      counter: counter as CounterName,
      usage: units(usage),
      // The kernel prints "no limit" as about 2^53 KiB, which may exceed MAX_SAFE_INTEGER.
      limit: Math.min(Number(limit), Number.MAX_SAFE_INTEGER),
      failures: maybe(failures),
    }),
  },
  { pattern: STAT, read: ({ key = '', value }) => ({ is: 'stat', key, value: int(value) }) },
  {
    likely: (text) => text.startsWith('Memory cgroup stats for '),
    pattern: STATS_OF,
    read: ({ path = '', rest = '' }) => ({ is: 'stats_of', path, values: inlineStats(rest) }),
  },
];

const startsWithTask = (text: string) => text.startsWith('Task');

export const members: readonly LineKind[] = [
  {
    likely: startsWithTask,
    pattern: TASK_IN,
    // A vendor's kernel prints "host" when the machine ran out of memory.
    read: ({ task = '', limit = '' }) => ({ is: 'task_in', task, limit: limit === 'host' ? null : limit }),
  },
  { likely: startsWithTask, pattern: GROUP, read: ({ path = '' }) => ({ is: 'group', path }) },
];

/** cgroup v1 prints all statistics of a cgroup in one line: "cache:4KB rss:128KB". */
function inlineStats(text: string): Record<string, number> {
  return Object.fromEntries(
    [...text.matchAll(/([a-z_]+):(\d+)KB/g)].map(([, key = '', kib]) => [key, units(kib) * 1024]),
  );
}
