/** Runs Prometheus's own Alertmanager, from Debian's package, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../cli/cli.ts';
import { freePort } from '../free-port.ts';
import { until } from './receiver.ts';

const UNPACKED = join(ROOT, 'build/test-packages/usr');
const PROGRAM = join(UNPACKED, 'bin/prometheus-alertmanager');
/** Alertmanager reads its templates from a fixed path, so it runs in a mount namespace that has them there. */
const SCRIPT = 'mount --bind "$0" /usr/share && exec "$@"';

export interface AlertmanagerAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
  status: { state: string };
}

/** Why Alertmanager cannot be started here; undefined when it can. For `describe.skipIf(…)`. */
export function alertmanagerUnavailable(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root to mount the templates of Alertmanager';
  try {
    accessSync(PROGRAM);
    return undefined;
  } catch {
    return 'needs Debian’s prometheus-alertmanager: sh scripts/packages.sh test <scripts/test-packages';
  }
}

export class RealAlertmanager {
  readonly #directory = mkdtempSync(join(tmpdir(), 'oomscope-alertmanager-'));
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  /** @param webhook URL of its receiver; by default it has none */
  static async start(webhook?: string): Promise<RealAlertmanager> {
    const manager = new RealAlertmanager(await freePort());
    const receiver = webhook ? `{name: all, webhook_configs: [{url: '${webhook}'}]}` : '{name: all}';
    const route = '{receiver: all, group_by: [alertname, cgroup], group_wait: 0s, group_interval: 1s}';
    writeFileSync(join(manager.#directory, 'config.yml'), `route: ${route}\nreceivers: [${receiver}]\n`);
    try {
      await manager.up();
    } catch (error) {
      await manager.stop();
      throw error;
    }
    return manager;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    const at = this.#directory;
    const args = [
      `--config.file=${at}/config.yml`,
      `--storage.path=${at}/data`,
      `--web.listen-address=127.0.0.1:${this.#port}`,
      '--cluster.listen-address=',
    ];
    const command = ['-m', 'sh', '-c', SCRIPT, join(UNPACKED, 'share'), PROGRAM, ...args];
    this.#child = spawn('unshare', command, { cwd: at, stdio: 'ignore' });
    // biome-ignore format: one condition
    await until(() => fetch(`${this.url}/-/ready`).then(({ ok }) => ok, () => false));
  }

  async down(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** The firing alerts in the API of Alertmanager, the oldest first. */
  async active(): Promise<AlertmanagerAlert[]> {
    const answer = await fetch(`${this.url}/api/v2/alerts`);
    const alerts = (await answer.json()) as AlertmanagerAlert[];
    return alerts.sort((a, b) => a.startsAt.localeCompare(b.startsAt));
  }

  async stop(): Promise<void> {
    await this.down();
    rmSync(this.#directory, { recursive: true });
  }
}
