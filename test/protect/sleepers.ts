/**
 * Starts processes of a program with a unique path, so that profiles of `protect` with that path match only these
 * processes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTicksOf } from '../../src/linux/process-reader.ts';

export class Sleepers implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'oomscope-protect-'));
  readonly exe: string;
  readonly #children: ChildProcess[] = [];

  /** @param name of the program: any bytes that a file's name may have */
  constructor(name = 'sleeper', program = '/bin/sleep') {
    this.exe = join(this.directory, name);
    copyFileSync(realpathSync(program), this.exe);
    chmodSync(this.exe, 0o755);
  }

  /** @returns the pid of the process, after it has executed the program */
  async start(): Promise<number> {
    const child = spawn(this.exe, ['600'], { stdio: 'ignore' });
    this.#children.push(child);
    await once(child, 'spawn');
    return child.pid as number;
  }

  async end(pid: number): Promise<void> {
    const child = this.#children.find((each) => each.pid === pid);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Writes a profiles file that matches these processes. */
  profiles(adj: number, more = ''): string {
    const file = join(this.directory, `profiles${adj}.toml`);
    const exe = JSON.stringify(this.exe);
    writeFileSync(file, `[[profile]]\nname = "ours"\noom_score_adj = ${adj}\nexe = ${exe}\nuser = "root"\n${more}`);
    return file;
  }

  get state(): string {
    return join(this.directory, 'undo.jsonl');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map(({ pid }) => this.end(pid as number)));
    rmSync(this.directory, { recursive: true });
  }
}

export const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));
export const setAdj = (pid: number, value: number) => writeFileSync(`/proc/${pid}/oom_score_adj`, String(value));
export const ticksOf = (pid: number) => startTicksOf(pid) as number;
