/** The dashboard for Grafana. */
import { type FamilyKey, families } from './families.ts';
import { sampleName } from './registry.ts';

interface Query {
  expr: string;
  legend: string;
}

interface Panel {
  title: string;
  description: string;
  type: 'timeseries' | 'stat' | 'bargauge';
  unit: string;
  /** Width in columns of 24. */
  width: number;
  queries: readonly Query[];
  exemplars?: boolean;
}

const HERE = 'instance=~"$instance"';
const at = (key: FamilyKey, filter = '') => `${sampleName(families[key])}{${HERE}${filter === '' ? '' : `,${filter}`}}`;
const rate = (key: FamilyKey, filter = '') => `rate(${at(key, filter)}[$__rate_interval])`;
const OWNER = 'namespace, workload, container, unit';
const WHO = '{{namespace}} {{workload}} {{container}} {{unit}}';
/** A series that begins at 1 counts: see alerting-rules.ts. */
const grown = (key: FamilyKey, filter = '', range = '$__range') =>
  `(increase(${at(key, filter)}[${range}]) > 0 or (${at(key, filter)} unless ${at(key, filter)} offset ${range}) > 0)`;
const quantile = (key: FamilyKey, by: string, q = 0.95) =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${families[key].name}_bucket{${HERE}}[$__rate_interval])))`;
const REAL = 'kind!="already_dying"';

/** The panels, row by row. */
export const panels: readonly Panel[] = [
  {
    ...{ title: 'OOM kills', type: 'stat', unit: 'short', width: 4 },
    description: 'Processes that the kernel killed in the chosen time.',
    queries: [{ expr: `sum(${grown('kills', REAL)}) or vector(0)`, legend: 'kills' }],
  },
  {
    ...{ title: 'Kernel’s own count', type: 'stat', unit: 'short', width: 4 },
    description: 'oom_kill of /proc/vmstat. If it is higher, oomscope did not run all the time, or lost records.',
    queries: [{ expr: `sum(increase(${at('kernelKills')}[$__range]))`, legend: 'kills' }],
  },
  {
    ...{ title: 'Stuck cgroups', type: 'stat', unit: 'short', width: 4 },
    description: 'Cgroups that are out of memory now, and in which the kernel kills nothing.',
    queries: [{ expr: `sum(${at('stuckNow')})`, legend: 'stuck' }],
  },
  {
    ...{ title: 'Level of pressure', type: 'stat', unit: 'short', width: 4 },
    description: '0 normal, 1 low, 2 medium, 3 critical.',
    queries: [{ expr: `max(${at('level')})`, legend: 'level' }],
  },
  {
    ...{ title: 'Events lost', type: 'stat', unit: 'short', width: 4 },
    description: 'Records and events that oomscope lost in the chosen time.',
    queries: [{ expr: `sum(${grown('lost')}) or vector(0)`, legend: 'lost' }],
  },
  {
    ...{ title: 'Memory of oomscope', type: 'stat', unit: 'bytes', width: 4 },
    description: 'Its resident memory.',
    queries: [{ expr: `max(${at('resident')})`, legend: 'resident' }],
  },
  {
    ...{ title: 'OOM kills by owner', type: 'timeseries', unit: 'short', width: 12, exemplars: true },
    description: 'Each point links to the event of a kill by its exemplar (event_id).',
    queries: [{ expr: `sum by (${OWNER}) (${grown('kills', REAL, '$__rate_interval')})`, legend: WHO }],
  },
  {
    ...{ title: 'OOM kills by what ran out', type: 'timeseries', unit: 'short', width: 12, exemplars: true },
    description: 'The container’s own limit, its pod, a slice above, or the whole system.',
    queries: [{ expr: `sum by (scope) (${grown('kills', REAL, '$__rate_interval')})`, legend: '{{scope}}' }],
  },
  {
    ...{ title: 'Least headroom', type: 'bargauge', unit: 'bytes', width: 12 },
    description: 'Limit minus the memory that the kernel cannot reclaim at once.',
    queries: [{ expr: `bottomk(10, ${at('headroom')})`, legend: WHO }],
  },
  {
    ...{ title: 'Fastest growth', type: 'bargauge', unit: 'Bps', width: 12 },
    description: 'By least squares over two minutes.',
    queries: [{ expr: `topk(10, ${at('growth')} > 0)`, legend: WHO }],
  },
  {
    ...{ title: 'Stalled time by cause', type: 'timeseries', unit: 's', width: 12 },
    description: 'Seconds of stalled tasks in each second, whole system.',
    queries: [{ expr: `sum by (cause) (${rate('stall')})`, legend: '{{cause}}' }],
  },
  {
    ...{ title: 'Pressure (PSI)', type: 'timeseries', unit: 'percentunit', width: 12 },
    description: 'Share of the time in which some task, or all tasks, waited for memory.',
    queries: [
      { expr: `max(${rate('waiting')})`, legend: 'some' },
      { expr: `max(${rate('stalled')})`, legend: 'full' },
    ],
  },
  {
    ...{ title: 'Stalled time by owner', type: 'timeseries', unit: 's', width: 12 },
    description: 'Seconds of stalled tasks in each second, containers and units.',
    queries: [{ expr: `topk(10, sum by (${OWNER}) (${rate('ownerStall')}))`, legend: WHO }],
  },
  {
    ...{ title: 'Memory of the system', type: 'timeseries', unit: 'bytes', width: 12 },
    description: 'MemAvailable and SwapFree.',
    queries: [
      { expr: `min(${at('available')})`, legend: 'available' },
      { expr: `min(${at('swapFree')})`, legend: 'swap free' },
    ],
  },
  {
    ...{ title: 'Guard: results', type: 'timeseries', unit: 'short', width: 8 },
    description: 'Plans that have ended.',
    queries: [{ expr: `sum by (outcome) (${grown('results', '', '$__rate_interval')})`, legend: '{{outcome}}' }],
  },
  {
    ...{ title: 'Guard: time to the signal', type: 'timeseries', unit: 's', width: 8 },
    description: 'From the measurement to the first signal, 95th percentile.',
    queries: [{ expr: quantile('toSignal', 'rule'), legend: '{{rule}}' }],
  },
  {
    ...{ title: 'Kernel: time until memory was back', type: 'timeseries', unit: 's', width: 8 },
    description: 'From the choice of a victim until its memory was free, 95th percentile.',
    queries: [{ expr: quantile('memoryBack', 'outcome'), legend: '{{outcome}}' }],
  },
  {
    ...{ title: 'Other kills', type: 'timeseries', unit: 'short', width: 12 },
    description: 'Deaths by a signal that is not the OOM killer’s, by who sent it. Needs kills = "sent" in [trace].',
    queries: [{ expr: `sum by (by) (${grown('otherKills', '', '$__rate_interval')})`, legend: '{{by}}' }],
  },
  {
    ...{ title: 'Alerts by sink', type: 'timeseries', unit: 'short', width: 12 },
    description: 'Deliveries, retries and failures.',
    queries: [
      { expr: `sum by (sink, outcome) (increase(${at('alerts')}[$__rate_interval]))`, legend: '{{sink}} {{outcome}}' },
    ],
  },
];

/** The dashboard as JSON, to be imported into Grafana 10 or later. */
export function dashboardText(): string {
  const dashboard = {
    title: 'oomscope: OOM kills and memory pressure',
    uid: 'oomscope',
    tags: ['oomscope', 'memory'],
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    refresh: '1m',
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
        {
          ...{ name: 'instance', label: 'Instance', type: 'query', datasource, refresh: 2 },
          ...{ includeAll: true, multi: true, allValue: '.*', current: { text: 'All', value: '$__all' } },
          query: { query: `label_values(${families.build.name}, instance)`, refId: 'instance' },
        },
      ],
    },
    panels: placed(),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

const datasource = { type: 'prometheus', uid: '$datasource' };
const HEIGHT = { stat: 4, timeseries: 8, bargauge: 8 } as const;

function placed(): object[] {
  let [x, y] = [0, 0];
  return panels.map((panel, i) => {
    const h = HEIGHT[panel.type];
    const gridPos = { h, w: panel.width, x, y };
    x += panel.width;
    if (x >= 24) [x, y] = [0, y + h];
    return { id: i + 1, gridPos, ...panelOf(panel) };
  });
}

function panelOf({ title, description, type, unit, queries, exemplars = false }: Panel): object {
  return {
    ...{ title, description, type, datasource },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(({ expr, legend }, i) => ({
      ...{ refId: String.fromCharCode(65 + i), datasource, expr, legendFormat: legend, exemplar: exemplars },
      ...(type === 'timeseries' ? { range: true } : { instant: true }),
    })),
  };
}
