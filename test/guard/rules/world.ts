/**
 * Creates samples, processes and rules for the tests of the policy, with defaults for all values that a test does not
 * set.
 */

import { Pattern } from '../../../src/guard/rules/pattern.ts';
import type { Self } from '../../../src/guard/rules/protect.ts';
import type { Detector, Match, Metric, Rule, Step } from '../../../src/guard/rules/rule.ts';
import type { Sample, SampledCgroup, SampledProcess, SampledSystem } from '../../../src/model/sample.ts';

export const MIB = 2 ** 20;
export const GIB = 2 ** 30;

const quiet = { pressure: null, windows: [], fruitless_rounds: null, growth_bytes_per_second: null };

/** The averages of a pressure file, all the same. */
export const averagesOf = (percent: number) => ({ avg10: percent, avg60: percent, avg300: percent });

export const system = (given: Partial<SampledSystem> = {}): SampledSystem => ({
  ...quiet,
  total_bytes: GIB,
  available_bytes: 50 * MIB,
  anon_bytes: 950 * MIB,
  swap_total_bytes: 0,
  swap_free_bytes: 0,
  ...given,
});

export const cgroup = (path: string, given: Partial<SampledCgroup> = {}): SampledCgroup => ({
  ...quiet,
  path,
  container: null,
  usage_bytes: 90 * MIB,
  limit_bytes: 100 * MIB,
  inactive_file_bytes: 0,
  swap_bytes: null,
  swap_limit_bytes: null,
  oom_kills: 0,
  oom_group: false,
  preference: null,
  ...given,
});

export const process_ = (pid: number, given: Partial<SampledProcess> = {}): SampledProcess => ({
  pid,
  start_ticks: pid * 10,
  ppid: 1,
  pgid: pid,
  uid: 1000,
  comm: `process-${pid}`,
  exe: `/usr/bin/process-${pid}`,
  cmdline: `process-${pid} --flag`,
  state: 'S',
  dying: false,
  kernel_thread: false,
  rss_bytes: 100 * MIB,
  swap_bytes: 0,
  page_tables_bytes: 0,
  oom_score: 66,
  oom_score_adj: 0,
  cgroup: '/app',
  unit: null,
  pod: null,
  container: null,
  growth_bytes_per_second: null,
  ...given,
});

export const sample = (mono_ms: number, given: Partial<Sample> = {}): Sample => ({
  schema: 'oomscope/sample/v1',
  mono_ms,
  time: new Date(mono_ms).toISOString(),
  system: system(),
  cgroups: [],
  processes: null,
  ...given,
});

export const self: Self = { pid: 500, ancestors: new Set([400, 1]) };

export function detector(
  metric: Metric,
  operator: Detector['operator'],
  limit: number,
  unit: Detector['unit'] = 'percent',
  given: Partial<Detector> = {},
): Detector {
  const text = `${metric.name} ${operator} ${limit}`;
  return { text, place: 'subject', metric, operator, limit, unit, forMs: 0, ...given };
}

export const step = (name: Step['do'], given: Partial<Step> = {}): Step => ({
  do: name,
  if: [],
  atOnce: [],
  waitMs: 0,
  ...given,
});

export const rule = (given: Partial<Rule> = {}): Rule => ({
  name: 'test',
  on: [{ kind: 'system' }],
  when: [detector({ name: 'available' }, '<=', 10)],
  rank: 'badness',
  unit: 'process',
  minBytes: 0,
  minPoints: Number.NEGATIVE_INFINITY,
  minGrowthShare: 0,
  preferences: [],
  never: [],
  ignorePositiveAdj: false,
  honourOomGroup: true,
  steps: [step('term', { waitMs: 10_000 }), step('kill', { waitMs: 10_000 })],
  coolDownMs: 0,
  undoAfterMs: 30_000,
  ...given,
});

export const comm = (source: string): Match => ({ text: `comm ${source}`, comm: new Pattern(source) });
