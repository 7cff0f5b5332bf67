/** Runs Prometheus, from Debian's package, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../alerts/receiver.ts';
import { ROOT } from '../cli/cli.ts';
import { freePort } from '../free-port.ts';

const PROGRAM = join(ROOT, 'build/test-packages/usr/bin/prometheus');

/** Why Prometheus cannot be started here; undefined when it can. For `describe.skipIf(…)`. */
export const prometheusUnavailable = (): string | undefined =>
  existsSync(PROGRAM) ? undefined : 'needs Debian’s prometheus: sh scripts/packages.sh test <scripts/test-packages';

export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

export interface PrometheusOptions {
  /** host:port of each daemon that is scraped. */
  targets: readonly string[];
  /** How often they are scraped and rules are evaluated; by default every second. */
  intervalSeconds?: number;
  rules?: string;
  /** host:port of an Alertmanager. */
  alertmanager?: string;
}

export class RealPrometheus {
  readonly #directory = mkdtempSync(join(tmpdir(), 'oomscope-prometheus-'));
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start({
    targets,
    intervalSeconds = 1,
    rules,
    alertmanager,
  }: PrometheusOptions): Promise<RealPrometheus> {
    const one = new RealPrometheus(await freePort());
    const at = one.#directory;
    const config = [
      `global: {scrape_interval: ${intervalSeconds}s, evaluation_interval: ${intervalSeconds}s}`,
      'scrape_configs:',
      `- {job_name: oomscope, static_configs: [{targets: ${JSON.stringify(targets)}}]}`,
      ...(rules === undefined ? [] : ['rule_files: [rules.yml]']),
      ...(alertmanager === undefined
        ? []
        : [`alerting: {alertmanagers: [{static_configs: [{targets: ['${alertmanager}']}]}]}`]),
    ];
    writeFileSync(join(at, 'config.yml'), `${config.join('\n')}\n`);
    if (rules !== undefined) writeFileSync(join(at, 'rules.yml'), rules);
    const args = [
      `--config.file=${at}/config.yml`,
      `--storage.tsdb.path=${at}/data`,
      `--web.listen-address=127.0.0.1:${one.#port}`,
      '--enable-feature=exemplar-storage',
    ];
    one.#child = spawn(PROGRAM, args, { cwd: at, stdio: 'ignore' });
    // biome-ignore format: one condition
    await until(() => fetch(`${one.#url}/-/ready`).then(({ ok }) => ok, () => false), 60_000);
    return one;
  }

  get #url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Evaluates an expression now. @throws Error with Prometheus's words about the expression */
  async query(expr: string): Promise<Sample[]> {
    const answer = await this.#get(`query?query=${encodeURIComponent(expr)}`);
    return (answer as { result: Sample[] }).result;
  }

  /** The labels of the exemplars of a series. */
  async exemplars(expr: string): Promise<Record<string, string>[]> {
    const now = Date.now() / 1000;
    const range = `start=${now - 1800}&end=${now + 60}`;
    const found = (await this.#get(`query_exemplars?query=${encodeURIComponent(expr)}&${range}`)) as {
      exemplars: { labels: Record<string, string> }[];
    }[];
    return found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels));
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#directory, { recursive: true });
  }

  async #get(path: string): Promise<unknown> {
    const answer = await fetch(`${this.#url}/api/v1/${path}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }
}
