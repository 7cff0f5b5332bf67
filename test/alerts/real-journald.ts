/** Runs systemd's own journald, in a mount namespace with its own /run and /var/log. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { until } from './receiver.ts';

const PROGRAM = '/lib/systemd/systemd-journald';
/** A journald instance with a name does not read the kernel log and the audit log. */
const NAME = 'oomscope';
const SCRIPT = `mount -t tmpfs none /run && mount -t tmpfs none /var/log && mkdir -p /run/systemd /var/log/journal &&
  exec ${PROGRAM} ${NAME}`;

/** Why journald cannot be started here; undefined when it can. For `describe.skipIf(…)`. */
export function journaldUnavailable(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root, to run a journald of its own';
  return existsSync(PROGRAM) && existsSync('/etc/machine-id') ? undefined : 'needs systemd-journald and a machine id';
}

export class RealJournald {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(): Promise<RealJournald> {
    const journald = new RealJournald(spawn('unshare', ['-m', 'sh', '-c', SCRIPT], { stdio: 'ignore' }));
    await until(() => existsSync(journald.socket));
    return journald;
  }

  get socket(): string {
    return `${this.#root}/run/systemd/journal.${NAME}/stdout`;
  }

  /** The entries that journalctl shows. */
  lines(): { MESSAGE: string; PRIORITY: string; SYSLOG_IDENTIFIER: string }[] {
    const [id] = execFileSync('ls', [`${this.#root}/var/log/journal`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const directory = `${this.#root}/var/log/journal/${id}`;
    const output = execFileSync('journalctl', ['-D', directory, '-o', 'json', '-t', 'oomscope', '--no-pager', '-q'], {
      encoding: 'utf8',
    });
    return output.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await gone;
  }

  get #root(): string {
    return `/proc/${this.#child.pid}/root`;
  }
}
