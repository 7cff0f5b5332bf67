/** Starts the scripts of this folder, each in its own process, so that a crash shows as an exit code or a signal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  /** The JSON values that the process has printed, one on each line. */
  said: unknown[];
}

export interface Child {
  process: ChildProcess;
  /** Resolves with the next value that the process prints. Rejects when the process exits before. */
  next<T>(): Promise<T>;
  /** Resolves when the process has ended. It never rejects. */
  ended: Promise<ChildEnd>;
}

/** Node 22.13 to 22.17 strip types only when told to. */
export const nodeFlags = ['--experimental-strip-types', '--disable-warning=ExperimentalWarning'];

/** Starts `children/NAME.ts`, which prints a JSON value a line. */
export function startChild(name: string, args: string[] = [], flags: string[] = []): Child {
  const script = join(import.meta.dirname, `${name}.ts`);
  const child = spawn(process.execPath, [...nodeFlags, ...flags, script, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A test that fails half-way leaves no child behind. A proof, which runs without vitest, ends with its child.
  if (process.env.VITEST !== undefined) onTestFinished(() => void child.kill('SIGKILL'));
  const said: unknown[] = [];
  const waiting: { resolve: (value: never) => void; reject: (error: Error) => void }[] = [];
  let taken = 0;
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(JSON.parse(line));
    const first = waiting.shift();
    if (first) first.resolve(said[taken++] as never);
  });
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once('close', (code, signal) => {
      for (const { reject } of waiting) reject(new Error(`${name} ended with ${signal ?? code} and said: ${stderr}`));
      resolve({ code, signal, stderr, said });
    });
  });
  const next = <T>() =>
    new Promise<T>((resolve, reject) => {
      if (taken < said.length) resolve(said[taken++] as T);
      else if (child.exitCode !== null || child.signalCode !== null) reject(new Error(`${name} has ended: ${stderr}`));
      else waiting.push({ resolve, reject });
    });
  return { process: child, next, ended };
}
