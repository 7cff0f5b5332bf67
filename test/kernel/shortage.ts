/** Makes a drawn shortage beside a guard, and tells which processes have ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Layout } from '../../scripts/prove/shortages/layouts.ts';
import type { Event } from '../../src/model/events.ts';
import { type Actor, startActor } from './actors.ts';
import { createMemoryGroup, MIB } from './memcg.ts';

export interface Shortage extends Layout {
  /** The kinds of the innocent processes that have ended. */
  lost: string[];
  eatersEnded: number;
  /** Number of processes that the kernel's OOM killer killed, on the whole machine. */
  kernelKills: number;
  /** What the guard did: outcomes of its plans, and reasons for which it did nothing. */
  guard: string[];
  seconds: number;
}

const READY_MS = 40_000;
/** Longest time until an eater has ended. */
const EATER_MS = 40_000;
/** How long a shortage without an eater is watched. */
const CALM_MS = 4000;
const AFTER_MS = 1500;

/**
 * Whether no innocent process was lost, and the eater has ended. The process that starts a storm holds nothing itself, and
 * may live on.
 */
export const isRight = ({ lost, right, eatersEnded, eaters, guard }: Shortage) =>
  lost.length === 0 && (right === 'nothing ends' || eatersEnded === eaters.length || guard.includes('killed storm'));

export interface RunningGuard {
  child: ChildProcess;
  /** The events since the last shortage began. */
  events: Event[];
}

/** Starts a command that guards, and resolves when it samples. */
export async function startGuardProcess(command: readonly string[]): Promise<RunningGuard> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const events: Event[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text) => {
      said += text;
      if (said.includes('Guarding by')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the guard ended with ${code}: ${said}`)));
  });
  return { child, events };
}

/** @param program the path of actor.c's program, where it is not in build/ */
export async function makeShortage(layout: Layout, guard: RunningGuard, program?: string): Promise<Shortage> {
  const begin = performance.now();
  const { seed, scope, roomMib } = layout;
  const group = scope === 'cgroup' ? createMemoryGroup({ limitBytes: roomMib * MIB }) : undefined;
  const start = (words: string) => startActor(group, words, program === undefined ? {} : { program });
  const killsBefore = kernelKills();
  guard.events.length = 0;
  const innocents: { kind: string; actor: Actor }[] = [];
  const eaters: Actor[] = [];
  try {
    for (const { kind, words } of layout.innocents) innocents.push({ kind, actor: start(words) });
    const ready = innocents.map(({ actor }) => actor.ready.catch(() => {}));
    await Promise.race([Promise.all(ready), sleep(READY_MS)]);
    await sleep(500);
    eaters.push(...layout.eaters.map(({ words }) => start(words)));
    const end = Promise.all(eaters.map(({ ended }) => ended));
    await (eaters.length > 0 ? Promise.race([end, sleep(EATER_MS)]) : sleep(CALM_MS));
    await sleep(AFTER_MS);
    const lost = innocents.filter(({ actor }) => !actor.isAlive()).map(({ kind }) => kind);
    const eatersEnded = eaters.filter(({ child }) => child.signalCode !== null).length;
    const seconds = Math.round((performance.now() - begin) / 100) / 10;
    return {
      ...layout,
      lost,
      eatersEnded,
      kernelKills: kernelKills() - killsBefore,
      guard: told(guard.events),
      seconds,
    };
  } finally {
    const actors = [...innocents.map(({ actor }) => actor), ...eaters];
    for (const { child } of actors) endGroup(child.pid);
    await Promise.race([Promise.all(actors.map(({ ended }) => ended)), sleep(5000)]);
    group?.remove();
    for (const path of [`/dev/shm/shortage-${seed}`, `/var/tmp/shortage-${seed}`]) rmSync(path, { force: true });
  }
}

const kernelKills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);

/** Each actor leads a process group of its own. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

function told(events: readonly Event[]): string[] {
  return events.flatMap((event) => {
    if (event.type === 'guard.result') return [`${event.outcome} ${event.target.comm}`];
    if (event.type === 'guard.skipped') return [`skipped: ${event.reason}`];
    return event.type === 'guard.status' ? [`${event.part} ${event.state}`] : [];
  });
}
