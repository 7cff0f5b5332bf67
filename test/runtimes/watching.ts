/** Runs `oomscope docker watch` or `oomscope trace` as a process, and keeps its events, for which tests can wait. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ContainerKilled, ContainerOom } from '../../src/model/container-events.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import { ended, MAIN } from '../cli/cli.ts';

export type ContainerEnd = ContainerOom | ContainerKilled;

export class Watching implements AsyncDisposable {
  readonly events: Event[] = [];
  readonly #child: ChildProcess;
  #stderr = '';
  readonly #looks = new Set<() => void>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.events.push(JSON.parse(line));
      for (const look of this.#looks) look();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      for (const look of this.#looks) look();
    });
  }

  /** Resolves when the command has started: at its first line of JSON or, without a tracer, when it has said why. */
  static async start(
    words: readonly string[],
    environment: Record<string, string> = {},
    prefix: readonly string[] = [],
  ): Promise<Watching> {
    const [file, ...rest] = [...prefix, process.execPath, MAIN, ...words] as [string, ...string[]];
    const child = spawn(file, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    const watching = new Watching(child);
    void ended(child);
    await watching.#until(
      () => watching.events.length > 0 || watching.#stderr.includes('only the runtime'),
      'it begins',
    );
    return watching;
  }

  /** Every event about a container. */
  get reports(): ContainerEnd[] {
    return this.events.filter((event) => event.type === 'container.oom' || event.type === 'container.killed');
  }

  /** Events about incidents that are over. */
  get ends(): ContainerEnd[] {
    return this.reports.filter((event) => event.type === 'container.killed' || event.final);
  }

  get kills(): OomKill[] {
    return this.events.filter((event) => event.type === 'oom.kill');
  }

  /** Resolves with the first report that fits. */
  async until(fits: (report: ContainerEnd) => boolean, what: string): Promise<ContainerEnd> {
    await this.#until(() => this.reports.some(fits), what);
    return this.reports.find(fits) as ContainerEnd;
  }

  /** The first final event about the container of this name. */
  async of(name: string): Promise<ContainerEnd> {
    const find = () => this.ends.find(({ container }) => container.name === name);
    await this.#until(() => find() !== undefined, `a word about ${name}`);
    return find() as ContainerEnd;
  }

  /** The first final event of this type about the container of this name. */
  async end(name: string, type: ContainerEnd['type']): Promise<ContainerEnd> {
    const find = () => this.ends.find((end) => end.type === type && end.container.name === name);
    await this.#until(() => find() !== undefined, `${type} about ${name}`);
    return find() as ContainerEnd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const end = ended(this.#child);
    this.#child.kill('SIGINT');
    await end;
  }

  #until(fine: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        this.#looks.delete(look);
      };
      const look = () => {
        if (!fine()) return;
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        const seen = this.events.map(({ type, message }) => `${type}: ${message}`).join('\n');
        reject(new Error(`expected ${what} within ${timeoutMs} ms; seen:\n${seen}\n${this.#stderr}`));
      }, timeoutMs);
      this.#looks.add(look);
      look();
    });
  }
}

/** The fields of a final event that tests compare. */
export function gist(end: ContainerEnd) {
  const { name, image, runtime } = end.container;
  const who = { name, image, runtime, exit_code: end.exit_code };
  return end.type === 'container.oom'
    ? { ...who, verdict: end.verdict, limit_of: end.limit_of, kills: end.kills.length, ended: end.ended }
    : { ...who, by: end.by, kernel_watched: end.kernel_watched };
}
