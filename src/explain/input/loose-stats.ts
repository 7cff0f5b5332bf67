/** The statistics of a cgroup whose title is missing: lines such as "anon 4096", just before the task table of the same report. */
import type { ParsedLine } from '../lines/parsed-line.ts';
import type { OpenReport } from './open-report.ts';

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

export class LooseStats {
  #values: Record<string, number> = {};

  /** Takes each line that belongs to no report. Another line than a statistic ends the block. */
  take(line: ParsedLine): void {
    if (line.is === 'stat') this.#values[line.key] = line.value;
    else if (line.is !== 'columns') this.#values = {};
  }

  /** Adds the block, if it ended just before this report, to the report. */
  addTo(report: OpenReport): void {
    const values = this.#values;
    this.#values = {};
    if (!report.columns || KNOWN.filter((key) => Object.hasOwn(values, key)).length < LEAST_KNOWN) return;
    report.stats.push({ path: null, values });
    report.kind = 'cgroup';
  }
}
