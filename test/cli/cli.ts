/** Runs the built command line as a person would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Event } from '../../src/model/events.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
export const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** @param command a command that runs node in the end, used instead of node itself */
export async function oomscope(args: string[], command = [process.execPath, MAIN]): Promise<Ended> {
  const [file, ...rest] = command as [string, ...string[]];
  return ended(spawn(file, [...rest, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }));
}

export function ended(child: ChildProcess): Promise<Ended> {
  const out: Ended = { code: null, signal: null, stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    out.stderr += text;
  });
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ ...out, code, signal })));
}

/**
 * Starts `oomscope trace --json …`, and resolves when its first event has arrived.
 *
 * @param onEvent called with each event
 * @throws Error when the command ended before its first event; `cause` says how it ended
 */
export async function startTrace(
  args: string[] = [],
  command = [process.execPath, MAIN],
  onEvent: (event: Event) => void = () => {},
): Promise<{ child: ChildProcess; events: Event[]; ended: Promise<Ended> }> {
  const [file, ...rest] = command as [string, ...string[]];
  const child = spawn(file, [...rest, 'trace', '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const events: Event[] = [];
  const end = ended(child);
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const event = JSON.parse(line) as Event;
      events.push(event);
      onEvent(event);
      resolve();
    });
    child.once('error', reject);
    void end.then((how) =>
      reject(new Error(`expected the trace to start, but it ended: ${how.stderr || how.signal}`, { cause: how })),
    );
  });
  return { child, events, ended: end };
}
