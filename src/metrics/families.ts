/**
 * Every metric, declared once: the registry, both text formats, docs/metrics.md and the tests follow from this table.
 *
 * A label never has a pid, a path, the name of a process or the id of a container: such values are new for each kill, and
 * every value is a time series that the database keeps. They are in the event, whose id is the exemplar of its counter.
 */

/** Seconds: from 0.1 ms, in which a BPF program signals, to the 30 s after which oomscope stops to wait for memory. */
const LATENCY = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Family {
  /** Without the suffix of its samples: a counter `x` has the sample `x_total`. */
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  unit?: 'seconds' | 'bytes';
  /** Labels with a small, fixed set of values. */
  labels: readonly string[];
  /** Whether the labels of an owner follow: {@link ownerLabels}. Their values come from the machine's users. */
  owned?: true;
  buckets?: readonly number[];
  /** The kernel counts since boot, so the time at which the counter was created is not that of the series. */
  sinceBoot?: true;
  /** When the values are read: at the event, or at intervals of ten seconds, or at the scrape. */
  read: 'event' | 'interval' | 'scrape';
}

/** The labels that say to whom a cgroup belongs. A label without a value is left out. */
export const ownerLabels = ['namespace', 'workload', 'pod', 'container', 'unit'] as const;

type Rest = Partial<Pick<Family, 'labels' | 'owned' | 'unit' | 'buckets' | 'sinceBoot'>>;
const of =
  (type: Family['type'], read: Family['read']) =>
  (name: string, help: string, rest: Rest = {}): Family => ({
    ...{ name: `oomscope_${name}`, type, help, labels: [], read },
    ...rest,
  });
const counter = of('counter', 'event');
const histogram = (name: string, help: string, labels: readonly string[]) =>
  of('histogram', 'event')(name, help, { labels, unit: 'seconds', buckets: LATENCY });
const sampled = of('gauge', 'interval');
const summed = of('counter', 'interval');
const now = of('gauge', 'scrape');
const soFar = of('counter', 'scrape');
const bytes = { unit: 'bytes' } as const;
const seconds = { unit: 'seconds' } as const;

export const families = {
  kills: counter('oom_kills', 'Processes that the OOM killer of the kernel killed, or marked as its victims.', {
    labels: ['scope', 'kind'],
    owned: true,
  }),
  kernelKills: soFar('kernel_oom_kills', 'OOM kills by the count of the kernel since boot: oom_kill of /proc/vmstat.', {
    sinceBoot: true,
  }),
  memoryBack: histogram('oom_memory_back_seconds', 'From the choice of a victim until its memory was free.', [
    'outcome',
  ]),
  otherKills: counter('other_kills', 'Processes that died of a signal of another origin than the OOM killer.', {
    labels: ['by', 'signal'],
    owned: true,
  }),
  stuckOoms: counter('stuck_ooms', 'Periods in which a cgroup was out of memory and the kernel killed no process.', {
    labels: ['cause'],
    owned: true,
  }),
  stuckNow: now('stuck_cgroups', 'Cgroups that are out of memory now, and in which the kernel kills no process.'),
  stall: summed('memory_stall_seconds', 'Time for which tasks of the whole system were stalled on memory, by cause.', {
    labels: ['cause'],
    ...seconds,
  }),
  ownerStall: summed('owner_memory_stall_seconds', 'The same for the tasks of a container or unit.', {
    labels: ['cause'],
    owned: true,
    ...seconds,
  }),
  level: sampled(
    'memory_pressure_level',
    'Level of memory pressure of the system, or of its shortage of memory (profile in [pressure]): 0 normal, 1 low, 2 medium, 3 critical.',
  ),
  ownerLevel: sampled('owner_memory_pressure_level', 'The same of a container or unit; only while it is above 0.', {
    owned: true,
  }),
  waiting: soFar('memory_pressure_waiting_seconds', 'PSI of the system: time in which some task waited for memory.', {
    ...seconds,
    sinceBoot: true,
  }),
  stalled: soFar('memory_pressure_stalled_seconds', 'PSI of the system: time in which all tasks waited for memory.', {
    ...seconds,
    sinceBoot: true,
  }),
  ownerWaiting: summed('owner_memory_pressure_waiting_seconds', 'PSI of a container or unit: some task waited.', {
    owned: true,
    ...seconds,
  }),
  ownerStalled: summed('owner_memory_pressure_stalled_seconds', 'PSI of a container or unit: all tasks waited.', {
    owned: true,
    ...seconds,
  }),
  total: now('system_memory_total_bytes', 'MemTotal.', bytes),
  available: now('system_memory_available_bytes', 'MemAvailable: memory that programs can still get.', bytes),
  swapFree: now('system_swap_free_bytes', 'SwapFree.', bytes),
  usage: sampled('owner_memory_usage_bytes', 'Memory of a container or unit, with the pages of files.', {
    owned: true,
    ...bytes,
  }),
  limit: sampled('owner_memory_limit_bytes', 'Its memory limit. Without a limit there is no sample.', {
    owned: true,
    ...bytes,
  }),
  headroom: sampled(
    'owner_memory_headroom_bytes',
    'Its limit minus the memory that the kernel cannot reclaim at once. Of several with the same labels, the smallest.',
    { owned: true, ...bytes },
  ),
  growth: sampled(
    'owner_memory_growth_bytes_per_second',
    'How fast its memory grows, by least squares over the last two minutes.',
    { owned: true },
  ),
  plans: counter('guard_plans', 'Times that a rule of the guard fired and chose a victim.', {
    labels: ['rule', 'mode'],
  }),
  actions: counter('guard_actions', 'Steps of the guard, by their outcome.', {
    labels: ['rule', 'mode', 'action', 'outcome'],
  }),
  results: counter('guard_results', 'Plans of the guard that have ended, by their outcome.', {
    labels: ['rule', 'mode', 'outcome'],
  }),
  skipped: counter('guard_skipped', 'Times that a rule fired and the guard did nothing.', {
    labels: ['rule', 'reason'],
  }),
  freed: counter('guard_freed_bytes', 'Memory that became available after plans of the guard.', {
    labels: ['rule'],
    ...bytes,
  }),
  toSignal: histogram('guard_signal_delay_seconds', 'From the measurement that fired a rule to the first signal.', [
    'rule',
  ]),
  toExit: histogram('guard_exit_delay_seconds', 'From the first signal to the exit of the victim.', ['rule']),
  toMemory: histogram('guard_memory_back_seconds', 'From the first signal until memory was free.', ['rule']),
  enforcing: now('guard_enforcing', '1: the guard kills. 0: it only rehearses. No sample: there is no guard.'),
  failing: now('guard_part_failing', '1: a part of the guard fails.', { labels: ['part'] }),
  alerts: soFar('alerts', 'Alerts by sink and outcome; retried counts attempts.', { labels: ['sink', 'outcome'] }),
  alertsWaiting: now('alerts_waiting', 'Alerts that wait for their sink.', { labels: ['sink'] }),
  lost: counter('events_lost', 'Records and events that were lost, by the place of the loss.', { labels: ['where'] }),
  hooks: now(
    'hook_attached',
    '1: a hook in the kernel is attached. 0: it is not; the event tracer.started has the reason, or another hook that reports the same.',
    {
      labels: ['hook'],
    },
  ),
  resident: now('process_resident_memory_bytes', 'Resident memory of oomscope itself.', bytes),
  cpu: soFar('process_cpu_seconds', 'CPU time of oomscope itself.', seconds),
  started: now('process_start_time_seconds', 'When oomscope was started, in seconds since 1970.', seconds),
  build: now('build_info', 'Always 1; the version is a label.', { labels: ['version'] }),
  overflow: counter(
    'metrics_series_overflow',
    'New series that were counted under "other", because a metric has 2,000.',
    {
      labels: ['metric'],
    },
  ),
  passSeconds: now('metrics_pass_seconds', 'CPU time of the last pass over the cgroups.', seconds),
} as const satisfies Record<string, Family>;

export type FamilyKey = keyof typeof families;
