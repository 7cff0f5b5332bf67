/**
 * A process that a benchmark started. Its output can be read by line, it can be paused, and it ends with the
 * benchmark.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const children = new Set<Child>();

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => process.exit(code)); // runs the exit hooks, which also remove cgroups
}
process.on('exit', () => {
  for (const child of children) child.signal('SIGKILL');
});

export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #exited: Promise<unknown>;
  #lines: string[] = [];
  #waiting: { begins: string; resolve: (line: string) => void; reject: (error: Error) => void } | undefined;
  /** Called with each output line, unless a call of line() waits for the line. */
  onLine: ((line: string) => void) | undefined;

  /** Starts the process in a new process group, so that its descendants are paused and ended together with it. */
  constructor(command: readonly string[], options: SpawnOptions = {}) {
    const [file = ''] = command;
    this.#name = file.replace(/.*\//, '');
    // The kernel ends the child with the benchmark, even if the benchmark was killed and ran no exit hook.
    this.#process = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
      ...options,
    });
    if (this.#process.pid === undefined) throw new Error(`${file} cannot be run`);
    this.pid = this.#process.pid;
    children.add(this);
    this.#exited = once(this.#process, 'exit').then(() => {
      children.delete(this);
      this.#waiting?.reject(
        new Error(`${this.#name} ended, expected a line that begins with "${this.#waiting.begins}"`),
      );
    });
    this.#process.stdin?.on('error', () => {}); // the process has ended: line() rejects
    if (this.#process.stdout) createInterface({ input: this.#process.stdout }).on('line', (line) => this.#onLine(line));
  }

  /** Resolves with the next line that begins with `begins`. Lines that arrived before the call count, too. */
  async line(begins: string, timeoutMs = 20_000): Promise<string> {
    const index = this.#lines.findIndex((line) => line.startsWith(begins));
    if (index >= 0) return this.#lines.splice(index, 1)[0] as string;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiting = { begins, resolve, reject };
        const late = () =>
          reject(new Error(`${this.#name} wrote no line that begins with "${begins}" in ${timeoutMs} ms`));
        timer = setTimeout(late, timeoutMs);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  write(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.resume();
    this.signal(signal);
    const timer = setTimeout(() => this.signal('SIGKILL'), 3000);
    await this.#exited;
    clearTimeout(timer);
  }

  signal(signal: NodeJS.Signals): void {
    if (!children.has(this)) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // The process has just ended.
    }
  }

  #onLine(line: string): void {
    if (this.#waiting && line.startsWith(this.#waiting.begins)) this.#waiting.resolve(line);
    else if (this.onLine) this.onLine(line);
    else this.#lines.push(line);
  }
}
