/** What a log has just before a report, and which belongs to the report although it is no part of it. */
import type { ParsedLine } from '../lines/parsed-line.ts';
import type { OpenReport } from './open-report.ts';

/** The "SysRq: Manual OOM execution" line comes at most this many lines before the head of its report. */
const SYSRQ_LINES = 4;
/** A warning about an object that a cgroup could not have comes at most this many lines before the head. */
const SLUB_LINES = 20;
/** mm/slub.c: slab_out_of_memory. The caches of a cgroup are named after it: "filp(77:CGROUP)". */
const SLUB = /(?:^|\s)cache: [\w-]{1,64}\(\d{1,9}:(?<cgroup>[^)]{1,255})\)/;

/** mm/memcontrol.c: memory_stats. Other programs print lines of a word and a number, too. */
const KNOWN = [
  'anon',
  'file',
  'kernel_stack',
  'pagetables',
  'slab',
  'shmem',
  'pgfault',
  'inactive_anon',
  'active_file',
];
const LEAST_KNOWN = 3;

export class Before {
  #sysrqAgo = Number.POSITIVE_INFINITY;
  #slubAgo = Number.POSITIVE_INFINITY;
  #slub: string | undefined;
  /** The statistics of a cgroup whose title is missing: lines such as "anon 4096", just before a task table. */
  #stats: Record<string, number> = {};

  /** Must be called for each line of the log. */
  next(text: string): void {
    this.#sysrqAgo++;
    this.#slubAgo++;
    const cgroup = text.includes('cache: ') ? SLUB.exec(text)?.groups?.cgroup : undefined;
    if (cgroup === undefined) return;
    this.#slub = cgroup;
    this.#slubAgo = 0;
  }

  sysrq(): void {
    this.#sysrqAgo = 0;
  }

  /** Takes each line that belongs to no report. Another line than a statistic ends the block. */
  stray(line: ParsedLine): void {
    if (line.is === 'stat') this.#stats[line.key] = line.value;
    else if (line.is !== 'columns') this.#stats = {};
  }

  addTo(report: OpenReport): void {
    report.sysrq = this.#sysrqAgo <= SYSRQ_LINES;
    if (this.#slubAgo <= SLUB_LINES) report.slubCgroup = this.#slub;
    const values = this.#stats;
    this.#stats = {};
    if (!report.columns || KNOWN.filter((key) => Object.hasOwn(values, key)).length < LEAST_KNOWN) return;
    report.stats.push({ path: null, values });
    report.kind = 'cgroup';
  }
}
