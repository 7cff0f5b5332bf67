/** A guard as a configuration has it, with all that it takes to survive what it is there for. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import type { EnvelopeFactory } from '../events/envelope.ts';
import { oomdPreference } from '../linux/oomd-preference.ts';
import { startTicksOf } from '../linux/process.ts';
import { OomscopeError } from '../model/error.ts';
import { ProcessHandle } from '../process/process-handle.ts';
import { findProgram } from '../process/program.ts';
import { type Survived, survive } from '../process/survival.ts';
import type { Arming } from './arming/arming.ts';
import { Guard, type GuardOptions } from './guard.ts';
import type { GuardConfig } from './guard-config.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import { hook } from './ladder/hook.ts';
import { type PressureFeed, Sampler } from './senses/sampler.ts';
import { warmUpGuard } from './warm-up.ts';

export interface OpenedGuard {
  guard: Guard;
  sampler: Sampler;
  /** For people: how it is set up, and what a run before left to be taken back. */
  notes: string[];
  close: () => Promise<void>;
}

/** After all that is larger, and before what the kernel spares. */
const OWN_ADJ = -900;
/**
 * All who run out of memory reclaim it, and the guard, which wants the CPU for milliseconds, would wait its turn among them;
 * where it may not be real-time, at least so. Real-time it also gets the page it needs from the kernel's reserve
 * (mm/page_alloc.c: ALLOC_MIN_RESERVE), where all others reclaim first.
 */
const OWN_NICE = -20;
/** V8's own ceiling is half of the machine's memory: more than a guard should ever have. */
const SENSIBLE_HEAP_BYTES = 256 * 2 ** 20;

/** @throws OomscopeError USAGE, ADDON_MISSING */
export async function openGuard(
  config: GuardConfig,
  given: {
    pressure?: PressureFeed;
    envelopes?: EnvelopeFactory;
    cmdline?: boolean;
    beforeSignal?: GuardOptions['beforeSignal'];
  } = {},
): Promise<OpenedGuard> {
  const { mode, policy } = config;
  const stateFile = config.stateFile ?? stateOfUnit();
  const notes: string[] = [];
  const enforce = mode === 'enforce';
  for (const { steps } of policy.rules) {
    for (const step of steps) {
      if (step.command) step.command = [findProgram(step.command[0] ?? '', 'exec'), ...step.command.slice(1)];
    }
  }
  if (enforce && stateFile !== undefined) {
    mkdirSync(dirname(stateFile), { recursive: true });
    for (const file of CgroupRestraints.recover(stateFile))
      notes.push(`took back ${file}, which an earlier run had changed`);
  }
  const { pressure, cmdline } = given;
  const sampler = new Sampler({ rules: policy.rules, pressure, cmdline, preference: oomdPreference });
  const restraints = new CgroupRestraints(enforce ? stateFile : undefined);
  const armed = enforce && config.arm ? await arm(stateFile, notes) : undefined;
  const guard = new Guard({
    ...{ mode, policy, senses: sampler, hook, restraints, fastestMs: config.fastestMs },
    ...(armed && { arming: { arming: armed, raiseScore: config.raiseScore } }),
    ...(given.envelopes && { envelopes: given.envelopes }),
    ...(given.beforeSignal && { beforeSignal: given.beforeSignal }),
  });
  let undo = () => {};
  if (enforce) {
    ProcessHandle.open({ pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 }).close(); // all that it takes is there
    const survival = survive({
      lockMemory: config.lockMemory,
      oomScoreAdj: OWN_ADJ,
      nice: OWN_NICE,
      ...(config.realtimePriority > 0 && { realtimePriority: config.realtimePriority }),
    });
    undo = survival.undo;
    notes.push(...survivalNotes(survival.survived));
    await warmUpGuard(sampler, hook, armed);
  }
  return {
    ...{ guard, sampler, notes },
    async close() {
      await guard.close();
      sampler.close();
      undo();
    },
  };
}

/** Where systemd keeps what a unit is to find at its next start. */
function stateOfUnit(): string | undefined {
  const directory = process.env.STATE_DIRECTORY?.split(':')[0];
  return directory ? join(directory, 'guard') : undefined;
}

/** Not to be had everywhere: then the guard does without. */
async function arm(stateFile: string | undefined, notes: string[]): Promise<Arming | undefined> {
  try {
    const { openArming } = await import('./arming/arming.ts');
    const arming = openArming(stateFile === undefined ? {} : { statePath: `${stateFile}.adj` });
    notes.push(`armed by ${arming.backend}: ${arming.reason}`);
    for (const { pid, outcome } of arming.recovered)
      notes.push(`oom_score_adj of process ${pid}, raised by an earlier run: ${outcome}`);
    return arming;
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    notes.push(`not armed: ${error.message}`);
    return undefined;
  }
}

function survivalNotes(survived: Survived): string[] {
  const notes = Object.values(survived).flatMap((why) => (why === null ? [] : [`goes without ${why}`]));
  const ceiling = getHeapStatistics().heap_size_limit;
  if (ceiling > SENSIBLE_HEAP_BYTES) {
    notes.push(
      `its own heap may grow to ${Math.round(ceiling / 2 ** 20)} MiB: start it by \`node --max-old-space-size=64\`, as \`oomscope systemd\` does`,
    );
  }
  return notes;
}
