import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { duration, flag, several, text, usage, type Values } from '../../verb/options.ts';

const options = {
  listen: text('ADDRESS', 'serve /metrics, /healthz and /readyz at this address: 127.0.0.1:9836'),
  textfile: text('FILE', 'write the metrics to this file every 15 s, for the textfile collector of node_exporter'),
  'token-file': text('FILE', 'a scrape must send the token in this file; no other user may be able to read the file'),
  public: flag('let other hosts read the metrics without a token; needed for an address that other hosts can reach'),
  host: several(text('NAME', 'a further name that other hosts use for this one')),
  pods: flag('also label by pod; the series of pods that are gone remain'),
  runbooks: text('URL', 'with rules: where you publish the runbooks, instead of docs/runbooks'),
  openmetrics: flag('without --listen and --textfile: print in the format of OpenMetrics'),
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
};

export const verb = defineVerb({
  description: [
    'Traces OOM kills and memory pressure, and serves their counts to Prometheus: kills by scope and container, stalled time by cause, memory and headroom of containers and units. docs/metrics.md lists all metrics. The daemon does the same with a section [metrics] in its configuration, and then also has the metrics of the guard and of alerts.',
    'Without options it prints, once and without privileges, what needs no tracing. `rules` prints alerting rules for Prometheus, `dashboard` prints a dashboard for Grafana.',
  ],
  words: { name: 'rules|dashboard', about: 'print the rules of Prometheus, or the dashboard of Grafana', most: 1 },
  options,
  format: 'raw',
  examples: [
    { command: 'sudo oomscope metrics --listen 127.0.0.1:9836', about: 'Serve metrics to a Prometheus on this host.' },
    {
      command: 'sudo oomscope metrics --textfile \\\n  /var/lib/prometheus/node-exporter/oomscope.prom',
      about: 'Pass the metrics to a node_exporter that runs already.',
    },
    { command: 'oomscope metrics rules > oomscope.rules.yml', about: 'Make the file for rule_files of Prometheus.' },
    { command: 'oomscope metrics dashboard > oomscope.json', about: 'Make the file to import into Grafana.' },
  ],
  exits: {
    ok: true,
    failed: 'the file of --textfile cannot be written at the start',
    usage: true,
    unavailable: 'this kernel or installation cannot trace, or the address is taken',
    noPermission: true,
  },
  run,
});

async function run({ given, words: [word] }: Context<typeof options>): Promise<number> {
  if (word !== undefined) return print(word, given);
  const { listen, textfile } = given;
  if (listen !== undefined || textfile !== undefined) return (await import('./serve.ts')).serve(given);
  const [{ Metrics }, { ownerOf }] = await Promise.all([
    import('../../../metrics/metrics.ts'),
    import('../../../containers/container-path.ts'),
  ]);
  await using metrics = new Metrics({ sources: { ownerOf }, traces: false, pods: given.pods ?? false });
  await metrics.sample();
  process.stdout.write(metrics.text(given.openmetrics ? 'openmetrics' : 'prometheus'));
  return Exit.ok;
}

async function print(word: string, { runbooks, ...others }: Values<typeof options>): Promise<number> {
  if (word !== 'rules' && word !== 'dashboard') throw usage(`Expected rules or dashboard, got "${word}".`);
  const other = Object.entries(others).find(
    ([, value]) => value !== undefined && (value as unknown[]).length !== 0,
  )?.[0];
  if (other !== undefined) throw usage(`Expected ${word} without --${other}.`);
  if (runbooks !== undefined && word !== 'rules') throw usage('Expected --runbooks only with rules.');
  const text =
    word === 'rules'
      ? (await import('../../../metrics/rules.ts')).rulesText(runbooks?.replace(/\/+$/, ''))
      : (await import('../../../metrics/dashboard.ts')).dashboardText();
  process.stdout.write(text);
  return Exit.ok;
}
