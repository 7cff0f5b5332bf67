/** The configuration of `oomscope run`. All faults of the file are reported at once, each with its line. */
import type { SinkOptions } from '../alerts/sink-table.ts';
import type { GuardConfig } from '../guard/guard-config.ts';
import { profileNames } from '../pressure/profile.ts';
import type { PublishOptions } from '../publish/options.ts';
import { parseDuration, parseSize } from '../text/units.ts';
import { alertShape } from './alerts.ts';
import { Faults } from './fault.ts';
import { guardShape } from './guard.ts';
import { type HistoryConfig, historyShape } from './history.ts';
import { type KubernetesConfig, kubernetesShape } from './kubernetes.ts';
import { type MetricsConfig, metricsShape } from './metrics.ts';
import { type OtlpConfig, otlpShape } from './otlp.ts';
import { publishShape } from './publish.ts';
import {
  choice,
  durationFrom,
  field,
  list,
  optional,
  parsed,
  type Shape,
  show,
  table,
  text,
  yesOrNo,
} from './shape.ts';
import { parseToml, readToml } from './toml.ts';
import { type WebConfig, webShape } from './web.ts';

const windowMs: Shape<number> = parsed('a window such as "100ms"', (given) => {
  const ms = parseDuration(given);
  if (ms !== undefined && Number.isInteger(ms) && ms >= 2 && ms <= 10_000) return ms;
  throw new Error(`expected a window from "2ms" to "10s", got ${show(given)}.`);
});

const ringSize: Shape<number> = parsed('a power of two such as "512K"', (given) => {
  const bytes = parseSize(given);
  if (bytes !== undefined && Number.isInteger(Math.log2(bytes)) && bytes >= 4096 && bytes <= 2 ** 30) return bytes;
  throw new Error(`expected a power of two from "4K" to "1G", got ${show(given)}.`);
});

const traceShape = table({
  enabled: field(yesOrNo, true, 'report OOM kills of the kernel'),
  candidates: field(
    choice('never', 'system', 'always'),
    'system',
    'list the processes that the kernel could have chosen',
  ),
  other_users: field(
    yesOrNo,
    false,
    'also ask the container runtimes of other users; the names that they give count only for these users’ own cgroups',
  ),
  kills: field(
    choice('oom', 'kill', 'sent', 'all'),
    'oom',
    'which kills to report: those of the OOM killer (oom), also each SIGKILL (kill) and each fatal signal from another process (sent), or every death by a signal (all)',
  ),
  ring: optional(ringSize, 'size of the ring buffer between kernel and oomscope'),
});

const pressureShape = table({
  enabled: field(yesOrNo, true, 'watch memory pressure'),
  profile: field(
    choice(...profileNames),
    'default',
    'when to report that memory is short: every change of the raw levels (fast), or lasting shortages (default, calm)',
  ),
  windows: field(list(windowMs, 1, 3), [10, 100, 1000], 'one to three sliding windows'),
  cgroups: field(list(text), [], 'globs of cgroups to watch with their descendants; an empty list means every cgroup'),
});

const outputShape = table({
  format: field(
    choice('json', 'text', 'journal'),
    'json',
    'format of the events on stdout; journal: one line for each event, with its priority',
  ),
  events: field(list(text), [], 'types of events to write, with * and ?; an empty list means all'),
  levels: optional(durationFrom(1000), 'write the levels of memory, swap and pressure to stderr at this interval'),
});

const shape = table({
  trace: field(traceShape, empty(traceShape), 'OOM kills'),
  pressure: field(pressureShape, empty(pressureShape), 'memory pressure'),
  output: field(outputShape, empty(outputShape), 'events on stdout'),
  metrics: optional(metricsShape, 'metrics for Prometheus; without this section there are none'),
  web: optional(webShape, 'serve a page for browsers; without this section there is none'),
  history: optional(historyShape, 'keep events in a file, for `oomscope history`; without this section none are kept'),
  otlp: optional(otlpShape, 'logs and metrics for a receiver of OpenTelemetry; without this section none are sent'),
  alert: field(list(alertShape), [], 'where alerts are sent; one section per sink'),
  kubernetes: optional(
    kubernetesShape,
    'the pods of this node, and Events on them; without this section the Kubernetes API is not used',
  ),
  publish: optional(
    publishShape,
    'publish events to NATS JetStream, for `oomscope fleet`; without this section nothing is published',
  ),
  guard: optional(guardShape, 'early kill; without this section the guard does not run'),
});

/** The checked values of a configuration file. */
export interface Config {
  /** `[trace]`: tracing of kills. `ring` is the size of the ring buffer in bytes. */
  trace: {
    enabled: boolean;
    candidates: 'never' | 'system' | 'always';
    other_users: boolean;
    kills: 'oom' | 'kill' | 'sent' | 'all';
    ring: number | undefined;
  };
  /** `[pressure]`: `windows` are in milliseconds, `cgroups` are globs. */
  pressure: { enabled: boolean; profile: 'fast' | 'default' | 'calm'; windows: number[]; cgroups: string[] };
  /**
   * `[output]`: the format of stdout, globs of the event types to write, and the interval of reports about levels of
   * memory (ms).
   */
  output: { format: 'json' | 'text' | 'journal'; events: string[]; levels: number | undefined };
  /** `[metrics]`; undefined when the file has no such section. */
  metrics: MetricsConfig | undefined;
  /** `[web]`; undefined when the file has no such section. */
  web: WebConfig | undefined;
  /** `[history]`; undefined when the file has no such section. */
  history: HistoryConfig | undefined;
  /** `[otlp]`; undefined when the file has no such section. */
  otlp: OtlpConfig | undefined;
  /** `[[alert]]`: one entry per sink, for `openSink()`. */
  alert: SinkOptions[];
  /** `[kubernetes]`; undefined when the file has no such section. */
  kubernetes: KubernetesConfig | undefined;
  /** `[publish]`; undefined when the file has no such section. */
  publish: PublishOptions | undefined;
  /** `[guard]`, for `openGuard()`; undefined when the file has no such section. */
  guard: GuardConfig | undefined;
}

/** JSON Schema of the file, for editors. */
export const configSchema = (): object => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'oomscope.toml',
  ...shape.schema,
});

/**
 * Parses the text of a configuration file.
 *
 * @param file name of the file in messages
 * @throws OomscopeError CONFIG, with every fault in its message
 */
export const parseConfig = (toml: string, file: string): Promise<Config> => parseToml(toml, file, shape, checkTogether);

/** Reads a configuration file. @throws OomscopeError NO_INPUT: the file cannot be read; CONFIG: it has faults */
export const readConfig = (file: string): Promise<Config> => readToml(file, shape, checkTogether);

/** Checks values that must fit together but are in different sections. */
function checkTogether({ trace, guard, pressure }: Config, faults: Faults): void {
  if (!trace.enabled && !pressure.enabled && !guard) {
    faults.add('trace.enabled', 'there is nothing to do: [trace] and [pressure] are off, and there is no [guard].');
  }
  for (const [i, rule] of (guard?.policy.rules ?? []).entries()) {
    for (const [j, { metric, text: shown }] of rule.when.entries()) {
      if (metric.name !== 'pressure' || typeof metric.over !== 'number') continue;
      const at = `guard.rule[${i}].when[${j}]`;
      if (!pressure.enabled) faults.add(at, `"${shown}" can never hold: enable [pressure].`);
      else if (!pressure.windows.includes(metric.over)) {
        const windows = pressure.windows.map((ms) => `${ms}ms`).join(', ');
        faults.add(at, `"${shown}" can never hold: the windows of [pressure] are ${windows}.`);
      }
    }
  }
}

/** The value of an absent section: every field at its default. */
function empty<T>(of: Shape<T>): T {
  return of.read({}, '', new Faults()) as T;
}
