/**
 * A ladder is climbed for real before there is a shortage, on a child started for it: what is run for the first time when
 * memory is gone has to be compiled then, and its pages read from the disk, and that takes longer than the memory lasts.
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

const PATIENCE_MS = 1000;
/** So long memory is waited for that the child never had. */
const GLANCE_MS = 50;

const step = (what: 'term' | 'kill'): Step => ({ do: what, if: [], atOnce: [], waitMs: PATIENCE_MS });

/** Its only candidate is the child, and it is always short. */
const rule = (what: 'term' | 'kill'): Rule => ({
  ...{ name: 'warmUpGuard', on: [{ kind: 'system' }], when: [], rank: 'badness', unit: 'process', minBytes: 0 },
  ...{ minPoints: Number.NEGATIVE_INFINITY, preferences: [], never: [], ignorePositiveAdj: false },
  ...{ honourOomGroup: false, steps: [step(what)], coolDownMs: 0, undoAfterMs: 0 },
});

/**
 * Nothing is told of it. Never rejects: without a child the guard is only slower the first time.
 *
 * @returns what ended its children
 */
export async function warmUpGuard(
  senses: MachineView,
  hook: Hook,
  arming?: Arming,
): Promise<(NodeJS.Signals | null)[]> {
  const ends: (NodeJS.Signals | null)[] = [];
  for (const what of ['term', 'kill'] as const) {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    child.once('error', () => {}); // there is no such program
    if (child.pid === undefined) return ends;
    try {
      await climb(child, child.pid, rule(what), senses, hook, arming);
      ends.push(child.signalCode);
    } catch {
      return ends;
    } finally {
      child.kill('SIGKILL');
    }
  }
  return ends;
}

async function climb(
  child: ChildProcess,
  pid: number,
  ofRule: Rule,
  senses: MachineView,
  hook: Hook,
  arming: Arming | undefined,
): Promise<void> {
  const policy = new Policy({ rules: [ofRule], killsPerMinute: 1, protect: [] }, { pid: 0, ancestors: new Set() });
  const fired: Fired = { rule: ofRule, cgroup: undefined, readings: [] };
  const sample = senses.whole();
  policy.look(sample);
  policy.rank(ofRule, undefined, sample);
  const one = senses.process(pid);
  // Nothing that it holds: there is no memory to be waited for.
  const alone = one ? [{ ...one, rss_bytes: 0, swap_bytes: 0 }] : [];
  const decision = policy.decide(fired, { ...sample, processes: alone });
  if (decision.kind !== 'kill') return;
  if (arming) arm(arming, decision.victim.target);
  const over = new AbortController();
  const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : Promise.resolve();
  const timer = setTimeout(() => over.abort(), PATIENCE_MS);
  void exit.then(() => setTimeout(() => over.abort(), GLANCE_MS));
  const operation = new Response(
    {
      ...{ machine: senses, policy, hook },
      announce: new Announcer('enforce', live(new EnvelopeFactory()), (event) => void JSON.stringify(event)),
      restraints: new CgroupRestraints(UndoLedger.inMemory()),
      signal: over.signal,
    },
    decision,
    sample,
    process.hrtime.bigint(),
  );
  await operation.run();
  clearTimeout(timer);
  child.kill('SIGKILL');
  await exit;
}

/** It never comes to so many rounds. */
function arm(arming: Arming, { pid, start_ticks: startTicks }: { pid: number; start_ticks: number }): void {
  using handle = ProcessHandle.open({ pid, startTicks });
  const condition = { domain: 'system', fruitlessRounds: 2 ** 31 - 1, signal: 'SIGKILL' } as const;
  const armed = arming.arm(handle, condition, { expiresInMs: PATIENCE_MS, oomScoreAdj: 1000 });
  armed.refresh(PATIENCE_MS);
  armed.disarm();
}
