/**
 * Runs programs for alerts and hooks, without a shell. Each program runs in its own process group, so that all
 * processes of the program can be killed together.
 */
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { OomscopeError } from '../model/error.ts';
import type { Receipt } from '../model/receipt.ts';
import { printable } from '../text/printable.ts';

export interface Program {
  path: string;
  args: readonly string[];
  env: Record<string, string>;
  /** The user that it runs as, without other groups. undefined: the user of this process. */
  user?: { uid: number; gid: number } | undefined;
  /** Written to its standard input. The program need not read it. */
  input: string;
  /** When it aborts, the process group gets SIGTERM, and SIGKILL one second later. */
  signal: AbortSignal;
}

const MOST_STDERR = 1024;
/** Time between SIGTERM and SIGKILL (ms). */
const TERM_GRACE_MS = 1_000;
/** How long standard error is still read after the program has exited (ms). */
const STDERR_GRACE_MS = 100;
/** Errors of a machine that is short of processes, memory or file descriptors. A later attempt may succeed. */
const transient = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

/**
 * Runs a program to its end. Never rejects.
 *
 * @returns `delivered` for exit status 0; `retry` if the program could not be started for lack of resources; otherwise
 *   `refused`, because a program that has done half its work must not run again
 */
export function runProgram({ path, args, env, user, input, signal }: Program): Promise<Receipt> {
  const { spawn } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resolve({ outcome: transient.has(error.code ?? '') ? 'retry' : 'refused', reply: printable(error.message) });
    let child: ChildProcess;
    try {
      child = spawn(path, args, { detached: true, env, stdio: ['pipe', 'ignore', 'pipe'], ...user });
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
      return;
    }
    let errors = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(0, MOST_STDERR);
    });
    child.stdin?.on('error', () => {}); // EPIPE: the program does not read its input
    child.stdin?.end(input);

    const killing = endGroup(child, signal);
    child.on('error', failed);
    child.on('exit', (status, killer) => {
      killing.cancel();
      child.stdin?.destroy();
      // A child that outlives the program may keep the pipe open for ever.
      const grace = setTimeout(() => child.stderr?.destroy(), STDERR_GRACE_MS);
      child.once('close', () => {
        clearTimeout(grace);
        resolve(receiptOf(status, killer));
      });
    });

    function receiptOf(status: number | null, killer: NodeJS.Signals | null): Receipt {
      const line = printable(errors.trim().split('\n')[0] ?? '').slice(0, 200);
      const how = signal.aborted
        ? 'did not exit in time and was killed, with its process group'
        : killer
          ? `killed by ${killer}`
          : `exit status ${status}`;
      const outcome = status === 0 && !signal.aborted ? 'delivered' : 'refused';
      return { outcome, reply: line === '' ? how : `${how} (${line})` };
    }
  });
}

/** Sends SIGTERM to the process group when `signal` aborts, and SIGKILL after the grace time. */
function endGroup(child: ChildProcess, signal: AbortSignal): { cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // ESRCH: no process of the group is left
    }
  };
  const onAbort = () => {
    kill('SIGTERM');
    timer = setTimeout(() => kill('SIGKILL'), TERM_GRACE_MS);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    cancel() {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
      // The leader has exited. The id of the group is not reused while any other process is in the group.
      if (signal.aborted) kill('SIGKILL');
    },
  };
}

/**
 * Finds an executable file, by its absolute path or by its name in PATH.
 *
 * @param user the setting that names the program, for the error message
 * @returns its absolute path
 * @throws OomscopeError USAGE
 */
export function findProgram(name: string, user: string): string {
  const places = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  const wrong = (what: string) => new OomscopeError('USAGE', `${user}: expected an executable program, got ${what}.`);
  if (name.includes('/') && !isAbsolute(name)) throw wrong(`"${printable(name)}", which is not an absolute path`);
  for (const place of places) {
    const path = join(place, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
      if (place === '') throw wrong(`"${printable(path)}", which is not a file`);
    } catch (error) {
      if (error instanceof OomscopeError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (place === '')
        throw wrong(`"${printable(path)}": ${code === 'EACCES' ? 'it is not executable' : 'there is no such file'}`);
    }
  }
  throw wrong(`"${printable(name)}", which is not in PATH`);
}
