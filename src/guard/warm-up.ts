/**
 * Climbs a ladder for real before there is a shortage, on a child that is started for it. Code that runs for the first time
 * while memory is short would have to be compiled then, and its pages read from the disk, which takes longer than the memory
 * lasts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { EnvelopeFactory } from '../events/envelope.ts';
import { ProcessHandle } from '../process/process-handle.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import type { Arming } from './arming/arming.ts';
import { live } from './guard.ts';
import { Announcer } from './ladder/announce.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import type { MachineView } from './ladder/machine-view.ts';
import { Response } from './ladder/response.ts';
import type { Hook } from './ladder/step-tools.ts';
import { Policy } from './rules/decide.ts';
import type { Fired } from './rules/detect.ts';
import type { Rule, Step } from './rules/rule.ts';

const TIMEOUT_MS = 1000;
/** How long the response may wait for memory that the child never held. */
const MEMORY_MS = 50;

const stepOf = (signal: 'term' | 'kill'): Step => ({ do: signal, if: [], atOnce: [], waitMs: TIMEOUT_MS });

/** Its only candidate is the child, and memory is always short. */
const ruleOf = (signal: 'term' | 'kill'): Rule => ({
  name: 'warm-up',
  on: [{ kind: 'system' }],
  when: [],
  rank: 'badness',
  unit: 'process',
  minBytes: 0,
  minPoints: Number.NEGATIVE_INFINITY,
  preferences: [],
  never: [],
  ignorePositiveAdj: false,
  honourOomGroup: false,
  steps: [stepOf(signal)],
  coolDownMs: 0,
  undoAfterMs: 0,
});

/**
 * Emits nothing and never rejects: without a child the guard is only slower the first time.
 *
 * @returns the signals that ended the children
 */
export async function warmUpGuard(
  machine: MachineView,
  hook: Hook,
  arming?: Arming,
): Promise<(NodeJS.Signals | null)[]> {
  const ends: (NodeJS.Signals | null)[] = [];
  for (const signal of ['term', 'kill'] as const) {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    child.once('error', () => {}); // there is no such program
    if (child.pid === undefined) return ends;
    try {
      await climb(child, child.pid, ruleOf(signal), { machine, hook, arming });
      ends.push(child.signalCode);
    } catch {
      return ends;
    } finally {
      child.kill('SIGKILL');
    }
  }
  return ends;
}

interface Equipment {
  machine: MachineView;
  hook: Hook;
  arming: Arming | undefined;
}

async function climb(child: ChildProcess, pid: number, rule: Rule, equipment: Equipment): Promise<void> {
  const { machine, hook, arming } = equipment;
  const policy = new Policy({ rules: [rule], killsPerMinute: 1, protect: [] }, { pid: 0, ancestors: new Set() });
  const fired: Fired = { rule, cgroup: undefined, readings: [] };
  const sample = machine.whole();
  policy.update(sample);
  policy.rank(rule, undefined, sample);
  const process_ = machine.process(pid);
  // Without memory of its own, so that the response waits for none.
  const processes = process_ ? [{ ...process_, rss_bytes: 0, swap_bytes: 0 }] : [];
  const decision = policy.decide(fired, { ...sample, processes });
  if (decision.kind !== 'kill') return;
  if (arming) arm(arming, decision.victim.target);
  const over = new AbortController();
  const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve();
  const timer = setTimeout(() => over.abort(), TIMEOUT_MS);
  void exit.then(() => setTimeout(() => over.abort(), MEMORY_MS));
  const context = {
    machine,
    policy,
    hook,
    signal: over.signal,
    announce: new Announcer('enforce', live(new EnvelopeFactory()), (event) => void JSON.stringify(event)),
    restraints: new CgroupRestraints(UndoLedger.inMemory()),
  };
  await new Response(context, decision, sample, process.hrtime.bigint()).run();
  clearTimeout(timer);
  child.kill('SIGKILL');
  await exit;
}

/** Arms the child, by a condition that is never met. */
function arm(arming: Arming, { pid, start_ticks: startTicks }: { pid: number; start_ticks: number }): void {
  using handle = ProcessHandle.open({ pid, startTicks });
  const condition = { domain: 'system', fruitlessRounds: 2 ** 31 - 1, signal: 'SIGKILL' } as const;
  const armed = arming.arm(handle, condition, { expiresInMs: TIMEOUT_MS, oomScoreAdj: 1000 });
  armed.refresh(TIMEOUT_MS);
  armed.disarm();
}
