/**
 * Kills two child processes, started for this purpose, by a real response before memory is short. Code that runs for
 * the first time must be compiled, and its pages must be read from the disk. While memory is short, that would take too
 * long.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { EnvelopeFactory } from '../events/envelope.ts';
import { ProcessHandle } from '../process/process-handle.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import type { Arming } from './arming/arming.ts';
import { Announcer, live } from './ladder/announce.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import type { MachineView } from './ladder/machine-view.ts';
import { Response } from './ladder/response.ts';
import type { Hook } from './ladder/step-tools.ts';
import { Policy } from './rules/decide.ts';
import type { Fired } from './rules/detect.ts';
import type { Rule, Step } from './rules/rule.ts';

const TIMEOUT_MS = 1000;
/**
 * How long the response may continue after the child has exited (ms): it waits for freed memory, but the child held
 * none.
 */
const MEMORY_MS = 50;

const stepOf = (signal: 'term' | 'kill'): Step => ({ do: signal, if: [], atOnce: [], waitMs: TIMEOUT_MS });

/** A rule that always fires: it has no detector. The child is its only candidate. */
const ruleOf = (signal: 'term' | 'kill'): Rule => ({
  name: 'warm-up',
  on: [{ kind: 'system' }],
  when: [],
  rank: 'badness',
  unit: 'process',
  minBytes: 0,
  minPoints: Number.NEGATIVE_INFINITY,
  minGrowthShare: 0,
  preferences: [],
  never: [],
  ignorePositiveAdj: false,
  honourOomGroup: false,
  steps: [stepOf(signal)],
  coolDownMs: 0,
  undoAfterMs: 0,
});

/**
 * Emits no event and never rejects. If no child can be started, only the guard's first response is slower.
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
    child.once('error', () => {}); // the program `sleep` is not installed
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
  // The child counts as holding no memory, so that the response does not wait until memory is freed.
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

/** Arms the child with a condition that is never met, and disarms it. */
function arm(arming: Arming, { pid, start_ticks: startTicks }: { pid: number; start_ticks: number }): void {
  using handle = ProcessHandle.open({ pid, startTicks });
  const condition = { domain: 'system', fruitlessRounds: 2 ** 31 - 1, signal: 'SIGKILL' } as const;
  const armed = arming.arm(handle, condition, { expiresInMs: TIMEOUT_MS, oomScoreAdj: 1000 });
  armed.refresh(TIMEOUT_MS);
  armed.disarm();
}
