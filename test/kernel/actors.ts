/** Starts the processes of scripts/prove/shortages/actor.c in memory cgroups. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { MemoryGroup } from './memcg.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SOURCE = join(ROOT, 'scripts/prove/shortages/actor.c');
export const ACTOR = join(ROOT, 'build/bench/actor');

/** Compiles actor.c, statically, so that it needs no libraries in a guest. */
export function buildActor(): void {
  if (existsSync(ACTOR) && statSync(ACTOR).mtimeMs >= statSync(SOURCE).mtimeMs) return;
  mkdirSync(join(ACTOR, '..'), { recursive: true });
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-static', '-pthread', SOURCE, '-o', ACTOR], { stdio: 'inherit' });
}

export interface Actor {
  pid: number;
  child: ChildProcess;
  isAlive(): boolean;
  /** Resolves when the process has printed "ready"; rejects when it ends before. */
  ready: Promise<void>;
  /** The signal or the exit code with which the process has ended. */
  ended: Promise<NodeJS.Signals | number | null>;
}

/** @param words the words of actor.c @param program another path of the program, where its name matters */
export function startActor(
  group: MemoryGroup | undefined,
  words: string,
  { program = ACTOR, argv0 }: { program?: string; argv0?: string } = {},
): Actor {
  if (program !== ACTOR && !existsSync(program)) copyFileSync(ACTOR, program);
  const where = group ? ['--cgroup', group.path] : [];
  const child = spawn(program, [...where, ...words.split(' ')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group of its own, as the parts of a service have
    ...(argv0 !== undefined && { argv0 }),
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const ended = once(child, 'exit').then(([code, signal]) => signal ?? code);
  const ready = Promise.race([
    once(child.stdout, 'data').then(() => {}),
    ended.then((end) => Promise.reject(new Error(`expected "${words}" to be ready, it ended with ${end}: ${said}`))),
  ]);
  ready.catch(() => {});
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  return { pid: child.pid as number, child, isAlive, ready, ended };
}
