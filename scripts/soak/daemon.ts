/** The daemon that is soaked: `oomscope run`, started as a user would, with its events, its log and its resources. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { footprint } from '../bench/process-figures.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Sample {
  seconds: number;
  rssKib: number;
  descriptors: number;
  /** Descriptors of BPF programs, maps and links. */
  bpf: number;
  threads: number;
  timers: number;
}

export interface SoakedEvent {
  type: string;
  kind?: string;
  victim?: { cgroup: string | null; container: { name: string | null } | null };
  where?: string;
  lost?: Record<string, number>;
}

export class Daemon {
  readonly #process: ChildProcess;
  readonly #timers: string;
  readonly #begin = performance.now();
  readonly #ended: Promise<unknown[]>;
  /** Lines on stderr. */
  readonly log: string[] = [];

  /** @param directory for the files of the daemon; it must have `oomscope.toml` */
  constructor(directory: string, runtimeSocket: string, onEvent: (event: SoakedEvent) => void) {
    this.#timers = join(directory, 'timers');
    writeFileSync(this.#timers, '0');
    const node = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
    const run = [join(ROOT, 'dist/cli/main.js'), 'run', '--config', join(directory, 'oomscope.toml')];
    const preload = ['--import', join(import.meta.dirname, 'timers.ts')];
    this.#process = spawn(process.execPath, [...node, ...preload, ...run], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        DOCKER_HOST: `unix://${runtimeSocket}`,
        OOMSCOPE_SOAK_TIMERS: this.#timers,
        MALLOC_ARENA_MAX: '2',
      },
    });
    const { stdout, stderr } = this.#process;
    if (!stdout || !stderr) throw new Error('the daemon has no output');
    lines(stdout, (line) => onEvent(JSON.parse(line) as SoakedEvent));
    lines(stderr, (line) => this.log.push(line));
    this.#ended = once(this.#process, 'close');
    process.on('exit', () => this.#process.kill('SIGKILL'));
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Resolves when the daemon runs. @throws if it ends before that, with its log */
  async ready(): Promise<void> {
    while (!this.said('Running with')) {
      if (!this.isAlive) throw new Error(`the daemon ended: ${this.log.join('\n')}`);
      await new Promise((next) => setTimeout(next, 50));
    }
  }

  /** How many lines of the log contain a text. */
  said(text: string): number {
    return this.log.filter((line) => line.includes(text)).length;
  }

  reload(): void {
    this.#process.kill('SIGHUP');
  }

  /** The resources of the daemon now. */
  sample(): Sample {
    const pid = this.#process.pid as number;
    const { rss_kib: rssKib, descriptors, threads } = footprint(pid);
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return ''; // closed meanwhile
      }
    });
    return {
      ...{ seconds: (performance.now() - this.#begin) / 1000, rssKib, descriptors, threads },
      bpf: links.filter((link) => /bpf[-_](?:prog|map|link)/.test(link)).length,
      timers: Number(readFileSync(this.#timers, 'utf8') || 0),
    };
  }

  /** Ends the daemon by SIGTERM. @returns its exit code, and how long it took in seconds */
  async end(): Promise<{ code: unknown; seconds: number }> {
    const before = performance.now();
    this.#process.kill('SIGTERM');
    const [code] = await this.#ended;
    return { code, seconds: (performance.now() - before) / 1000 };
  }
}

/** Not node:readline: it also ends a line at U+2028, which a name of a cgroup may contain. */
function lines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text: string) => {
    const [first = '', ...others] = text.split('\n');
    rest += first;
    for (const next of others) {
      onLine(rest);
      rest = next;
    }
  });
}
