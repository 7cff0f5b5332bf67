/** Opens a guard from its configuration, with what it takes to keep running while memory is short. */

import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import type { EnvelopeFactory } from '../events/envelope.ts';
import { oomdPreference } from '../linux/oomd-preference.ts';
import { startTicksOf } from '../linux/process-reader.ts';
import { OomscopeError } from '../model/error.ts';
import { ProcessHandle } from '../process/process-handle.ts';
import { findProgram } from '../process/program.ts';
import { type Survived, survive } from '../process/survival.ts';
import type { Undone } from '../process/undo-entry.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import type { Arming } from './arming/arming.ts';
import { Guard, type GuardOptions } from './guard.ts';
import type { GuardConfig } from './guard-config.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import { hook } from './ladder/hook.ts';
import type { PolicyOptions, Step } from './rules/rule.ts';
import { type PressureFeed, Sampler } from './senses/sampler.ts';
import { warmUpGuard } from './warm-up.ts';

/** A guard, and the sampler that it sees the machine with. */
/** A guard, and what belongs to it. */
export interface OpenedGuard extends AsyncDisposable {
  /** The guard. */
  guard: Guard;
  /** Where the guard's samples come from: `sampler.whole()` is all that a rule can see. */
  sampler: Sampler;
  /** Sentences for the log: how the guard is set up, what it has to do without, what an earlier run had left to undo. */
  notes: string[];
  /** Closes the guard, undoes what it changed, and gives up its priority and its locked memory. */
  close: () => Promise<void>;
}

/** What a guard can be given beside its configuration. */
export interface OpenGuardOptions {
  /** Pressure as `PressureMonitor` measures it. Without it rules see the kernel's averages only. */
  pressure?: PressureFeed;
  envelopes?: EnvelopeFactory;
  /** Read command lines, even if no rule is about them. */
  cmdline?: boolean;
  beforeSignal?: GuardOptions['beforeSignal'];
}

const configNames: OptionNames<GuardConfig> = {
  mode: true,
  policy: true,
  raiseScore: true,
  arm: true,
  lockMemory: true,
  realtimePriority: true,
  stateFile: true,
  fastestMs: true,
};
const optionNames: OptionNames<OpenGuardOptions> = {
  pressure: true,
  envelopes: true,
  cmdline: true,
  beforeSignal: true,
};

/** Killed after everything that is larger, and before what the kernel never kills. */
const OWN_ADJ = -900;
/**
 * Every process that runs out of memory reclaims it. The guard needs the CPU for some milliseconds and would wait its turn
 * among them; where it may not be real-time, this helps. Real-time it also gets its pages from the kernel's reserve
 * (mm/page_alloc.c: ALLOC_MIN_RESERVE), where all others have to reclaim first.
 */
const OWN_NICE = -20;
/** V8's own limit is half of the machine's memory, which is more than a guard should ever hold. */
const SENSIBLE_HEAP_BYTES = 256 * 2 ** 20;

/**
 * Opens a guard that does not sample yet: `guard.start()` begins. The caller owns it and must close it.
 *
 * @throws OomscopeError USAGE: a program of an `exec` step cannot be run, or another guard has the state file; BAD_INPUT:
 *   the state file is damaged, or other users could have written it; NOT_PERMITTED, OUTPUT, ADDON_MISSING
 */
export async function openGuard(config: GuardConfig, options: OpenGuardOptions = {}): Promise<OpenedGuard> {
  refuseUnknownOptions('openGuard(), the configuration', config, configNames);
  refuseUnknownOptions('openGuard()', options, optionNames);
  const policy = withPrograms(config.policy);
  const notes: string[] = [];
  const enforce = config.mode === 'enforce';
  const ledger = enforce ? openLedger(config.stateFile ?? stateFileOfUnit()) : UndoLedger.inMemory();
  let guard: Guard | undefined;
  try {
    notes.push(...ledger.undoAll().map(undoneNote));
    const { pressure, cmdline } = options;
    const sampler = new Sampler({ rules: policy.rules, pressure, cmdline, preference: oomdPreference });
    const arming = enforce && config.arm ? await arm(ledger, notes) : undefined;
    const opened = new Guard({
      mode: config.mode,
      policy,
      machine: sampler,
      hook,
      fastestMs: config.fastestMs,
      restraints: new CgroupRestraints(ledger),
      ...(arming && { arming: { arming, raiseScore: config.raiseScore } }),
      ...(options.envelopes && { envelopes: options.envelopes }),
      ...(options.beforeSignal && { beforeSignal: options.beforeSignal }),
    });
    guard = opened;
    const giveUp = enforce ? prepare(config, notes) : () => {};
    if (enforce) await warmUpGuard(sampler, hook, arming);
    const close = async () => {
      await opened.close();
      sampler.close();
      ledger.close();
      giveUp();
    };
    return { guard: opened, sampler, notes, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await guard?.close();
    ledger.close();
    throw error;
  }
}

/** The policy with the absolute paths of its programs. @throws OomscopeError USAGE */
function withPrograms(policy: PolicyOptions): PolicyOptions {
  const rules = policy.rules.map((rule) => {
    const steps = rule.steps.map((step): Step => {
      if (!step.command) return step;
      const [program = '', ...args] = step.command;
      return { ...step, command: [findProgram(program, `Rule "${rule.name}", step "${step.do}"`), ...args] };
    });
    return { ...rule, steps };
  });
  return { ...policy, rules };
}

function openLedger(stateFile: string | undefined): UndoLedger {
  if (stateFile === undefined) return UndoLedger.inMemory();
  mkdirSync(dirname(stateFile), { recursive: true });
  return UndoLedger.open(stateFile, { mayWrite: CgroupRestraints.mayWrite });
}

function undoneNote({ entry, outcome, detail }: Undone): string {
  const what = entry.kind === 'file' ? entry.path : `oom_score_adj of process ${entry.pid}`;
  return `an earlier run had changed ${what}: ${outcome}${detail === null ? '' : `, ${detail}`}`;
}

/** The directory that systemd keeps for a unit from one start to the next. */
function stateFileOfUnit(): string | undefined {
  const directory = process.env.STATE_DIRECTORY?.split(':')[0];
  return directory ? join(directory, 'guard') : undefined;
}

/** Arming is optional. Where the kernel or the privileges do not allow it, the guard runs without it and says so. */
async function arm(ledger: UndoLedger, notes: string[]): Promise<Arming | undefined> {
  try {
    const { openArming } = await import('./arming/arming.ts');
    const arming = openArming({ ledger });
    notes.push(`can arm the likely victim, by ${arming.backend}: ${arming.reason}`);
    return arming;
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    notes.push(`cannot arm the likely victim: ${error.message}`);
    return undefined;
  }
}

/** @returns gives up what it has got */
function prepare({ lockMemory, realtimePriority }: GuardConfig, notes: string[]): () => void {
  // Loads what a pidfd needs before memory is locked.
  ProcessHandle.open({ pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 }).close();
  const { survived, undo } = survive({
    lockMemory,
    oomScoreAdj: OWN_ADJ,
    nice: OWN_NICE,
    ...(realtimePriority > 0 && { realtimePriority }),
  });
  notes.push(...survivalNotes(survived));
  return undo;
}

function survivalNotes(survived: Survived): string[] {
  const notes = Object.values(survived).flatMap((why) => (why === null ? [] : [`goes without ${why}`]));
  const limit = getHeapStatistics().heap_size_limit;
  if (limit > SENSIBLE_HEAP_BYTES) {
    const mib = Math.round(limit / 2 ** 20);
    notes.push(
      `its own heap may grow to ${mib} MiB: start it by \`node --max-old-space-size=64\`, as \`oomscope systemd\` does`,
    );
  }
  return notes;
}
