/**
 * Runs a program for an alert: its arguments as they are, no shell, in a process group of its own, which is ended as a whole
 * when the time is up.
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
  input: string;
  /** The time is up, or all is closed. */
  signal: AbortSignal;
}

const MOST_STDERR = 1024;
/** From SIGTERM to SIGKILL. */
const MANNERS_MS = 1_000;
/** From its end to that of its standard error. */
const LAST_WORDS_MS = 100;
/** No more processes or memory now: both come back. */
const later = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE']);

/** Never rejects. Exit status 0: delivered. Otherwise refused: a program that did half its work is not run again. */
export function runProgram({ path, args, env, input, signal }: Program): Promise<Receipt> {
  const { spawn } = process.getBuiltinModule('node:child_process');
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resolve({ outcome: later.has(error.code ?? '') ? 'retry' : 'refused', reply: printable(error.message) });
    let child: ChildProcess;
    try {
      child = spawn(path, args, { detached: true, env, stdio: ['pipe', 'ignore', 'pipe'] });
    } catch (error) {
      failed(error as NodeJS.ErrnoException);
      return;
    }
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, MOST_STDERR);
    });
    child.stdin?.on('error', () => {}); // it need not read
    child.stdin?.end(input);

    const killing = endGroup(child, signal);
    child.on('error', failed);
    child.on('exit', (status, killer) => {
      killing.cancel();
      child.stdin?.destroy();
      // What it left behind may hold the pipe for as long as it likes.
      const patience = setTimeout(() => child.stderr?.destroy(), LAST_WORDS_MS);
      child.once('close', () => {
        clearTimeout(patience);
        resolve(receiptOf(status, killer));
      });
    });

    function receiptOf(status: number | null, killer: NodeJS.Signals | null): Receipt {
      const line = printable(said.trim().split('\n')[0] ?? '').slice(0, 200);
      const how = signal.aborted
        ? 'did not end in time and was killed, with its process group'
        : killer
          ? `killed by ${killer}`
          : `exit status ${status}`;
      const outcome = status === 0 && !signal.aborted ? 'delivered' : 'refused';
      return { outcome, reply: line === '' ? how : `${how} (${line})` };
    }
  });
}

/** Ends the group when the signal fires: asks, then does not ask. */
function endGroup(child: ChildProcess, signal: AbortSignal): { cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // ESRCH: none of it is left
    }
  };
  const onAbort = () => {
    kill('SIGTERM');
    timer = setTimeout(() => kill('SIGKILL'), MANNERS_MS);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    cancel() {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
      // Its leader is gone; the group's number is taken as long as anybody else is in it.
      if (signal.aborted) kill('SIGKILL');
    },
  };
}

/**
 * @returns its absolute path
 * @throws OomscopeError USAGE
 */
export function findProgram(name: string, sink: string): string {
  const places = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter).filter(isAbsolute);
  const wrong = (what: string) =>
    new OomscopeError('USAGE', `${sink}: expected a program that can be run, got ${what}.`);
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
  throw wrong(`"${printable(name)}", which is nowhere in PATH`);
}
