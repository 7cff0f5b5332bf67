/** Makes the page about the metrics. */
import { alertingRules, recordingRules } from '../../src/metrics/alerting-rules.ts';
import { type Family, families, ownerLabels } from '../../src/metrics/families.ts';
import { sampleName } from '../../src/metrics/registry.ts';
import { cell, type Page, table } from './markdown.ts';

export const metricsPage: Page = { path: 'docs/metrics.md', write };

const READ = { event: 'with each event', interval: 'every 10 s', scrape: 'at the scrape' };

function write(): string {
  const owners = ownerLabels.map((label) => `\`${label}\``).join(', ');
  return [
    ...intro,
    '## All metrics',
    `*owner* stands for the labels ${owners}; a label without a value is left out.`,
    table(
      ['metric', 'type', 'labels', 'meaning', 'read'],
      Object.values<Family>(families).map((family) => [
        `\`${sampleName(family)}\``,
        family.type,
        [...family.labels.map((label) => `\`${label}\``), ...(family.owned ? ['*owner*'] : [])].join(', '),
        cell(family.help),
        READ[family.read],
      ]),
    ),
    ...labels,
    '## Rules',
    '`oomscope metrics rules` prints them. The [runbooks](runbooks/README.md) say what to do.',
    table(
      ['alert', 'severity', 'when'],
      alertingRules.map(({ name, severity, for: lasting, expr }) => [
        `[${name}](runbooks/${name}.md)`,
        severity,
        `\`${cell(expr)}\`${lasting === undefined ? '' : ` for ${lasting}`}`,
      ]),
    ),
    table(
      ['record', 'expression'],
      recordingRules.map(({ name, expr }) => [`\`${name}\``, `\`${cell(expr)}\``]),
    ),
    ...rest,
  ].join('\n\n');
}

const intro = [
  '# Metrics',
  'oomscope counts what it sees, for Prometheus and for programs that read its formats. Either the daemon serves the metrics, with a section in its [configuration](configuration.md):',
  '```toml\n[metrics]\nlisten = "127.0.0.1:9836"\n```',
  'or a command that does nothing else:',
  '```sh\nsudo oomscope metrics --listen 127.0.0.1:9836 --duration 30s\n```',
  'Where a node_exporter runs already, it can pass them on: `textfile = "/var/lib/prometheus/node-exporter/oomscope.prom"`, or `--textfile`. The file is replaced at once every 15 s. `oomscope metrics` without options prints once what needs no tracer, also without privileges.',
  'In prometheus.yml:',
  "```yaml\nscrape_configs:\n  - job_name: oomscope\n    static_configs: [{targets: ['127.0.0.1:9836']}]\nrule_files: [oomscope.rules.yml]\n```",
  '`oomscope metrics rules > oomscope.rules.yml` makes the rules, `oomscope metrics dashboard > oomscope.json` a dashboard to import into Grafana 10 or later.',
  'The answer is in the text format 0.0.4 or, if the request prefers it, in OpenMetrics 1.0: with the time of creation of each counter, and with the `id` of the last event as exemplar (`event_id`), so that a point in a graph leads to the kill. Prometheus stores exemplars with `--enable-feature=exemplar-storage`.',
];

const labels = [
  '## Labels',
  '* `scope` says what ran out: `container` is its own limit, `inside` the limit of a cgroup that its processes made, `pod`, `unit` (a service or scope), `slice`, `cgroup` (any other), `system`, `cpuset`, `mempolicy`, or `unknown`. `container` and `pod` are the words of Kubernetes’ `kubelet_oom_kills_total`.',
  '* `kind` is the `kind` of the event `oom.kill`. `already_dying` is no kill: the process was exiting and was only marked.',
  '* `workload` is KIND/NAME of what owns the pod (`Deployment/shop`), which needs a section `[kubernetes]`, or PROJECT/SERVICE of Compose. `container` is the service of Compose, else the name of the container. Containers whose name is not known have no name here, because an id would be new for each of them.',
  '* Ids are taken out of units: `session-12.scope` is `session-*.scope`.',
  '* No label is a pid, a path, the name of a process or an id. They are in the event, which the exemplar names.',
  '* `pods = true` adds `pod`. Each new pod then adds series, and those of pods that are gone remain until the next start.',
  '* A metric has at most 2,000 series. Further ones are counted with `workload="other"`, and `oomscope_metrics_series_overflow_total` says how many were.',
  '* Containers and units have gauges if they have a limit, or use at least `floor` (16 MiB). With several of the same labels, usage, limits and growth are sums, and the headroom is the smallest.',
  '* A counter of `every 10 s` counts from the start of oomscope, also what happens in cgroups that are removed later.',
];

const rest = [
  '## Who can read them',
  'The default address is for this machine only. Every user of the machine can read the metrics there; they have names of containers and units, and no command lines. `token_file` makes a scrape send a token (`authorization: {credentials_file: …}` in prometheus.yml); no other user may be able to read that file. An address that other hosts can reach needs a token, or `public = true`.',
  '`/healthz` answers 200 while the process runs, `/readyz` when the BPF programs are loaded.',
];
