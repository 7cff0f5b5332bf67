/**
 * Makes two early kills in a guest: one of the only process of a cgroup at its limit, and one when the whole system
 * runs out of memory. Prints a JSON line for each.
 *
 *   node test/lab/early.ts
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArmCondition } from '../../src/guard/arming/armed.ts';
import { openArming } from '../../src/guard/arming/arming.ts';
import type { Fired, SignalSeen } from '../../src/guard/arming/fired.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { ProcessHandle } from '../../src/process/process-handle.ts';
import { createMemoryGroup, type MemoryGroup, MIB, removeMemoryGroups, startHog } from '../kernel/memcg.ts';

export interface Early {
  scope: 'cgroup' | 'system';
  backend: string;
  reason: string;
  /** The signal that ended the target. */
  ended: string | null;
  /** Number of OOM kills that the kernel counted. */
  kernelKills: number;
  fired: { by: string; outcome: string; rounds: number; error: string | null }[];
  byOomKiller: boolean[];
  adjustment: unknown;
  triggerToSignalUs: number[];
}

if (!existsSync('/lab/settings')) throw new Error('expected a guest of the kernel lab');
writeFileSync('/proc/self/oom_score_adj', '-1000');

const kernelKills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);

async function run(scope: Early['scope'], group: MemoryGroup | undefined, condition: ArmCondition): Promise<Early> {
  using arming = openArming();
  const fired: Fired[] = [];
  const signals: SignalSeen[] = [];
  arming.fired$.subscribe((one) => fired.push(one));
  arming.signals$.subscribe((one) => signals.push(one));
  const before = kernelKills();
  const hog = startHog(group, ['--max', '4G']);
  // Until it begins to allocate, the hog has the oom_score_adj that it inherited.
  while (readFileSync(`/proc/${hog.pid}/oom_score_adj`, 'latin1') !== '0\n');
  hog.kill('SIGSTOP');
  await sleep(100);
  const ticks = startTicksOf(hog.pid) ?? 0;
  using handle = ProcessHandle.open({ pid: hog.pid, startTicks: ticks });
  const armed = arming.arm(handle, condition, { expiresInMs: 60_000, oomScoreAdj: 900 });
  hog.kill('SIGCONT');
  const { signal } = await hog.ended;
  await sleep(300);
  return {
    scope,
    backend: arming.backend,
    reason: arming.reason,
    ended: signal,
    kernelKills: kernelKills() - before,
    fired: fired.map(({ by, outcome, fruitlessRounds, error }) => ({ by, outcome, rounds: fruitlessRounds, error })),
    byOomKiller: signals.map((one) => one.byOomKiller),
    adjustment: armed.adjustment,
    triggerToSignalUs: signals.map((one) => Math.round(Number(one.signalNs - one.triggerNs) / 1000)),
  };
}

const group = createMemoryGroup({ limitBytes: 64 * MIB });
const domain = statSync(group.path, { bigint: true }).ino;
console.log(JSON.stringify(await run('cgroup', group, { domain, fruitlessRounds: 2, signal: 'SIGKILL' })));
removeMemoryGroups();
console.log(
  JSON.stringify(await run('system', undefined, { domain: 'system', fruitlessRounds: 16, signal: 'SIGKILL' })),
);
