/** The recording and alerting rules, from which the file for Prometheus and its tests are made. */
import { type FamilyKey, families } from './families.ts';
import { sampleName } from './registry.ts';

export interface AlertingRule {
  /** The alert, which is also the name of its runbook: docs/runbooks/NAME.md. */
  name: string;
  expr: string;
  for?: string;
  /** `critical`: a person must act now. `warning`: a person must look today. */
  severity: 'critical' | 'warning';
  summary: string;
  description: string;
}

export interface RecordingRule {
  name: string;
  expr: string;
}

const metric = (key: FamilyKey) => sampleName(families[key]);

/**
 * The growth of a counter in the last `minutes`. `increase()` alone is 0 for a series that begins at 1, as the first
 * kill in a container does: the second part counts such a series as a whole.
 */
const grown = (key: FamilyKey, minutes: number, filter = '') => {
  const series = `${metric(key)}${filter}`;
  return `(increase(${series}[${minutes}m]) > 0 or (${series} unless ${series} offset ${minutes}m) > 0)`;
};

const OWNER = 'namespace, workload, container, unit, instance';
/** A kill that is not only a mark on a process that was exiting anyway. */
const REAL = '{kind!="already_dying"}';
const WHO =
  '{{ with $labels.namespace }}{{ . }}/{{ end }}{{ with $labels.workload }}{{ . }}/{{ end }}{{ $labels.container }}{{ $labels.unit }}';
const ON = ' on {{ $labels.instance }}';

export const recordingRules: readonly RecordingRule[] = [
  {
    name: 'oomscope:oom_kills:increase10m',
    expr: `sum by (scope, ${OWNER}) (${grown('kills', 10, REAL)})`,
  },
  {
    name: 'oomscope:owner_memory_used:ratio',
    expr: `1 - ${metric('headroom')} / (${metric('limit')} > 0)`,
  },
  {
    name: 'oomscope:memory_pressure_stalled:ratio5m',
    expr: `rate(${metric('stalled')}[5m])`,
  },
];

export const alertingRules: readonly AlertingRule[] = [
  {
    name: 'OomscopeSystemOomKill',
    expr: `sum by (instance) (${grown('kills', 10, '{kind!="already_dying",scope=~"system|cpuset|mempolicy"}')}) > 0`,
    severity: 'critical',
    summary: `The whole machine ran out of memory${ON}`,
    description: 'OOM kills in 10 minutes because the machine had no memory left: {{ $value | humanize }}.',
  },
  {
    name: 'OomscopeOomKill',
    expr: `sum by (scope, ${OWNER}) (${grown('kills', 10, '{kind!="already_dying",scope!~"system|cpuset|mempolicy"}')}) > 0`,
    severity: 'warning',
    summary: `OOM kills in ${WHO}${ON}`,
    description: `OOM kills of ${WHO} in 10 minutes: {{ $value | humanize }}. What ran out: {{ $labels.scope }}.`,
  },
  {
    name: 'OomscopeRepeatedOomKills',
    expr: `sum by (${OWNER}) (increase(${metric('kills')}${REAL}[1h])) > 5`,
    severity: 'critical',
    summary: `${WHO} is killed again and again${ON}`,
    description: 'OOM kills in the last hour: {{ $value | humanize }}.',
  },
  {
    name: 'OomscopeStuckOom',
    expr: `${metric('stuckNow')} > 0`,
    for: '1m',
    severity: 'critical',
    summary: `A cgroup is out of memory and the kernel kills nothing${ON}`,
    description:
      'Cgroups that are out of memory and in which no process may be killed, or the victim does not exit: {{ $value }}.',
  },
  {
    name: 'OomscopeLittleHeadroom',
    expr: `oomscope:owner_memory_used:ratio > 0.95 and on (${OWNER}) ${metric('growth')} > 0`,
    for: '5m',
    severity: 'warning',
    summary: `${WHO} is nearly at its memory limit${ON}`,
    description:
      'It uses {{ $value | humanizePercentage }} of its limit, without what the kernel can reclaim, and grows.',
  },
  {
    name: 'OomscopeMemoryPressure',
    expr: 'oomscope:memory_pressure_stalled:ratio5m > 0.1',
    for: '5m',
    severity: 'warning',
    summary: `All tasks wait for memory${ON}`,
    description:
      'For {{ $value | humanizePercentage }} of the last 5 minutes no task could run because all waited for memory.',
  },
  {
    name: 'OomscopeGuardFailed',
    expr: `sum by (rule, instance) (${grown('results', 10, '{outcome=~"survived|kernel_first",mode="enforce"}')}) > 0`,
    severity: 'warning',
    summary: `The guard did not relieve a shortage of memory${ON}`,
    description:
      'Plans of rule "{{ $labels.rule }}" in 10 minutes whose victim did not exit, or before which the kernel killed: {{ $value | humanize }}.',
  },
  {
    name: 'OomscopeGuardPartFailing',
    expr: `${metric('failing')} > 0`,
    for: '5m',
    severity: 'critical',
    summary: `A part of the guard fails${ON}`,
    description: 'The part "{{ $labels.part }}" has failed for 5 minutes.',
  },
  {
    name: 'OomscopeAlertsFail',
    expr: `sum by (sink, instance) (${grown('alerts', 15, '{outcome=~"failed|dropped"}')}) > 0`,
    severity: 'warning',
    summary: `Alerts do not arrive${ON}`,
    description: 'Alerts for {{ $labels.sink }} that were refused or dropped in 15 minutes: {{ $value | humanize }}.',
  },
  {
    name: 'OomscopeEventsLost',
    expr: `sum by (where, instance) (${grown('lost', 15)}) > 0`,
    severity: 'warning',
    summary: `oomscope lost events${ON}`,
    description: 'Records and events lost at "{{ $labels.where }}" in 15 minutes: {{ $value | humanize }}.',
  },
  {
    name: 'OomscopeHookMissing',
    expr: `${metric('hooks')}{hook="mark_victim"} == 0`,
    for: '5m',
    severity: 'critical',
    summary: `OOM kills are not seen${ON}`,
    description: 'The hook mark_victim is not attached.',
  },
  {
    name: 'OomscopeDown',
    expr: 'up{job="oomscope"} == 0',
    for: '5m',
    severity: 'critical',
    summary: `oomscope does not answer${ON}`,
    description: 'Prometheus could not scrape it for 5 minutes.',
  },
];
