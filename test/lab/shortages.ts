/**
 * Makes shortages in a guest beside a guard with the default rules, one after another, and prints a JSON line for each:
 * which innocent processes have ended, and whether the eater has.
 *
 *   node test/lab/shortages.ts cgroup|system FIRST_SEED COUNT
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawLayout, type Layout, type Scope } from '../../scripts/prove/shortages/layouts.ts';
import { readMeminfo } from '../../src/linux/meminfo.ts';
import type { Event } from '../../src/model/events.ts';
import { type Actor, startActor } from '../kernel/actors.ts';
import { createMemoryGroup, MIB, removeMemoryGroups } from '../kernel/memcg.ts';

export interface Shortage extends Layout {
  /** The kinds of the innocent processes that have ended. */
  lost: string[];
  eatersEnded: number;
  /** Number of processes that the kernel's OOM killer killed. */
  kernelKills: number;
  /** What the guard did: outcomes of its plans, and reasons for which it did nothing. */
  guard: string[];
  seconds: number;
}

const READY_MS = 40_000;
/** Longest time until an eater has ended. */
const EATER_MS = 40_000;
/** How long a shortage without an eater is watched. */
const CALM_MS = 6000;
const AFTER_MS = 1500;
/** Shortest time for a shortage, so that the limit of kills per minute is not reached. */
const LEAST_MS = 7000;

if (!existsSync('/lab/settings')) throw new Error('expected a guest of the kernel lab');
writeFileSync('/proc/self/oom_score_adj', '-1000');
const [scope = 'cgroup', first = '1', count = '1'] = process.argv.slice(2);

const kernelKills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);
const events: Event[] = [];

/** Starts the guard, with a value of oom_score_adj that it would have as a service before it lowers it itself. */
async function startGuard() {
  const child = spawn('sh', ['-c', 'echo 0 >/proc/self/oom_score_adj; exec oomscope guard --enforce --json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text) => {
      said += text;
      if (said.includes('Guarding by')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`the guard ended with ${code}: ${said}`)));
  });
  return child;
}

async function run(seed: number): Promise<Shortage> {
  const begin = performance.now();
  writeFileSync('/proc/sys/vm/drop_caches', '3');
  const available = Math.floor((readMeminfo()?.availableBytes ?? 0) / MIB);
  const layout = drawLayout(seed, scope as Scope, available);
  const group = scope === 'cgroup' ? createMemoryGroup({ limitBytes: layout.roomMib * MIB }) : undefined;
  const start = (words: string) => startActor(group, words, { program: '/bin/actor' });
  const killsBefore = kernelKills();
  events.length = 0;
  const innocents: { kind: string; actor: Actor }[] = [];
  const eaters: Actor[] = [];
  try {
    for (const { kind, words } of layout.innocents) innocents.push({ kind, actor: start(words) });
    const ready = innocents.map(({ actor }) => actor.ready.catch(() => {}));
    await Promise.race([Promise.all(ready), sleep(READY_MS)]);
    await sleep(1000);
    eaters.push(...layout.eaters.map(({ words }) => start(words)));
    const end = Promise.all(eaters.map(({ ended }) => ended));
    await (eaters.length > 0 ? Promise.race([end, sleep(EATER_MS)]) : sleep(CALM_MS));
    await sleep(AFTER_MS);
    const lost = innocents.filter(({ actor }) => !actor.isAlive()).map(({ kind }) => kind);
    const eatersEnded = eaters.filter((actor) => !actor.isAlive()).length;
    const seconds = Math.round((performance.now() - begin) / 100) / 10;
    return { ...layout, lost, eatersEnded, kernelKills: kernelKills() - killsBefore, guard: told(), seconds };
  } finally {
    const actors = [...innocents.map(({ actor }) => actor), ...eaters];
    for (const { child } of actors) kill(child.pid);
    await Promise.race([Promise.all(actors.map(({ ended }) => ended)), sleep(5000)]);
    removeMemoryGroups();
    for (const path of [`/dev/shm/shortage-${seed}`, `/var/tmp/shortage-${seed}`]) rmSync(path, { force: true });
    await sleep(Math.max(500, LEAST_MS - (performance.now() - begin)));
  }
}

/** Each actor leads a process group of its own. */
function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

function told(): string[] {
  return events.flatMap((event) => {
    if (event.type === 'guard.result') return [`${event.outcome} ${event.target.comm}`];
    if (event.type === 'guard.skipped') return [`skipped: ${event.reason}`];
    return event.type === 'guard.status' ? [`${event.part} ${event.state}`] : [];
  });
}

const guard = await startGuard();
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  try {
    console.log(JSON.stringify(await run(seed)));
  } catch (error) {
    console.log(JSON.stringify({ seed, error: (error as Error).stack }));
  }
  if (guard.exitCode !== null || guard.signalCode !== null) throw new Error('the guard has ended');
}
guard.kill('SIGTERM');
await sleep(1000);
process.exit(0);
