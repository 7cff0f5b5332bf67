/**
 * The second part of bench:latency: the first kill that a new process sees after some idle time, and the kills that follow,
 * for the library and for the line of `trace --json` on a pipe, with several options. The reader of the pipe stays off the
 * victim's CPU.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import { firstChildOf, pageFaults } from './process-figures.ts';
import { say } from './report.ts';
import { killOne } from './victim.ts';

/** Time between two kills that follow each other (ms). */
const NEXT_MS = 1500;
const PATIENCE_MS = 3000;
const NEXT_KILLS = 2;

/** When a reader had a kill: the victim's pid, and CLOCK_MONOTONIC. */
export interface Sample {
  pid: number;
  atNs: number;
  /** The page faults of the JavaScript thread from the start of the process that is killed until some milliseconds after the line. */
  faults: number;
}

/** The samples of one reader: by idle time in seconds, and of the kills after the first. */
export interface Firsts {
  label: string;
  first: Map<number, Sample[]>;
  next: Sample[];
  /** Samples that do not count, because another process of the machine was killed during the idle time. */
  void: number;
}

export interface FirstOptions {
  /** Idle times in seconds. */
  idle: readonly number[];
  /** Processes for each idle time and each reader. */
  rounds: number;
  group: MemoryGroup;
  /** The CPU of the victims. */
  cpu: number;
  stamper: string;
  /** What comes before the command of each reader. */
  fifo: readonly string[];
  /** The directory of another build, to compare with. */
  other: string | undefined;
  /** Labels of the readers that are measured. undefined: all. */
  only: readonly string[] | undefined;
}

interface Form {
  label: string;
  command: string[];
}

/** @param between called after each sample, while no reader of this part runs */
export async function measureFirsts(options: FirstOptions, between: () => Promise<void>): Promise<Firsts[]> {
  const { idle, rounds } = options;
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-bench-'));
  try {
    const forms = formsOf(options, directory).filter(({ label }) => options.only?.includes(label) ?? true);
    const results = forms.map(({ label }): Firsts => ({ label, first: new Map(), next: [], void: 0 }));
    for (let round = 0; round < rounds; round++) {
      for (const seconds of idle) {
        say(`first kill after ${seconds} s, round ${round + 1} of ${rounds}`);
        for (const [i, form] of forms.entries()) {
          await sampleOf(form, seconds, options, results[i] as Firsts);
          await between();
        }
      }
    }
    return results;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function formsOf({ cpu, stamper, other }: FirstOptions, directory: string): Form[] {
  const root = resolve(import.meta.dirname, '../..');
  const library = (at: string) => [process.execPath, join(at, 'scripts/bench/latency-reader.ts')];
  const trace = (at: string, ...words: string[]) => [
    ...[stamper, '-c', String(cpu), join(at, 'scripts/oomscope.sh'), 'trace', '--json', ...words],
  ];
  const alert = ['--alert', `file=${join(directory, 'alerts.jsonl')}`];
  const forms: Form[] = [
    { label: 'oomKills$', command: library(root) },
    { label: 'line', command: trace(root) },
    { label: 'line, --realtime', command: trace(root, '--realtime') },
    { label: 'line, --report', command: trace(root, '--report') },
    { label: 'line, --lead-up', command: trace(root, '--lead-up') },
    { label: 'line, --alert file', command: trace(root, ...alert) },
    { label: 'line, all three', command: trace(root, '--report', '--lead-up', ...alert) },
  ];
  if (other === undefined) return forms;
  const before: Form[] = [
    { label: 'other build, oomKills$', command: library(other) },
    { label: 'other build, line', command: trace(other) },
  ];
  return [...before, ...forms];
}

async function sampleOf(form: Form, seconds: number, { fifo, group, cpu }: FirstOptions, into: Firsts): Promise<void> {
  const child = new Child([...fifo, ...form.command]);
  const seen = new Map<number, number>();
  try {
    await child.line('ready');
    child.onLine = (line) => {
      const words = line.split(' ').map(Number);
      // latency-reader.ts prints the time of its handler in the fifth place, line-stamper.c its time in the third.
      const at = form.label.endsWith('oomKills$') ? words[4] : words[2];
      if (words[0] !== undefined && at !== undefined) seen.set(words[0], at);
    };
    await sleep(seconds * 1000);
    if (seen.size > 0) {
      into.void++;
      return;
    }
    const reader = form.label.endsWith('oomKills$') ? child.pid : firstChildOf(child.pid);
    for (let i = 0; i <= NEXT_KILLS; i++) {
      if (i > 0) await sleep(NEXT_MS);
      const before = pageFaults(reader);
      const pid = await killOne(group, cpu);
      const end = performance.now() + PATIENCE_MS;
      while (!seen.has(pid) && performance.now() < end) await sleep(5);
      const atNs = seen.get(pid);
      if (atNs === undefined) continue;
      const list = i > 0 ? into.next : (into.first.get(seconds) ?? []);
      list.push({ pid, atNs, faults: pageFaults(reader) - before });
      if (i === 0) into.first.set(seconds, list);
    }
  } finally {
    await child.end();
  }
}
