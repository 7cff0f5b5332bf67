/**
 * Opens a guard from its configuration, and prepares its process to keep running while memory is short: locked memory,
 * priority, oom_score_adj.
 */

import { getHeapStatistics } from 'node:v8';
import type { GuardPrograms } from '../bpf/load/guard-loader.ts';
import type { EnvelopeFactory } from '../events/envelope.ts';
import { onlineCpus } from '../linux/online-cpus.ts';
import { oomdPreference } from '../linux/oomd-preference.ts';
import { startTicksOf } from '../linux/process-reader.ts';
import { lackingFor } from '../linux/rights.ts';
import { OomscopeError } from '../model/error.ts';
import type { Sample } from '../model/sample.ts';
import { ProcessHandle } from '../process/process-handle.ts';
import { findProgram } from '../process/program.ts';
import { type Survived, survive } from '../process/survival.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import type { Arming, ArmingOptions } from './arming/arming.ts';
import { Guard, type GuardOptions } from './guard.ts';
import type { GuardConfig } from './guard-config.ts';
import { openGuardState } from './guard-state.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import { hook } from './ladder/hook.ts';
import { checkMayEnforce } from './may-enforce.ts';
import { holdNow, placesOf } from './rules/detect.ts';
import type { PolicyOptions, Rule, Step } from './rules/rule.ts';
import type { Supervisor } from './rules/standing.ts';
import { type PressureFeed, Sampler } from './senses/sampler.ts';
import { startNotes, watchNotes } from './start-notes.ts';
import { warmUpGuard } from './warm-up.ts';

/** A guard and its sampler, as `openGuard()` returns them. */
export interface OpenedGuard extends AsyncDisposable {
  /** The guard. */
  guard: Guard;
  /** Takes the guard's samples. `sampler.whole()` returns everything that a rule can read. */
  sampler: Sampler;
  /**
   * Sentences for the log: how the guard is set up, which optional features are not available, and what it undid after
   * an earlier run.
   */
  notes: string[];
  /**
   * Runs the code of a kill again, with two child processes as victims. For a caller that has freed memory which its start
   * has used. Does nothing if the guard does not enforce. Never rejects.
   */
  warmUp: () => Promise<void>;
  /**
   * Closes the guard, undoes its changes to cgroups and oom_score_adj, and restores its priority and unlocks its
   * memory.
   */
  close: () => Promise<void>;
}

/** Optional arguments of `openGuard()` that are not part of the configuration. */
export interface OpenGuardOptions {
  /** Pressure as `PressureMonitor` measures it. Without `pressure`, rules can read only the kernel's own averages. */
  pressure?: PressureFeed;
  envelopes?: EnvelopeFactory;
  /** Read command lines, even if no rule matches them. */
  cmdline?: boolean;
  beforeSignal?: GuardOptions['beforeSignal'];
  /** BPF programs that stay loaded when this guard is closed, for a caller that replaces one guard by another. */
  programs?: () => Promise<GuardPrograms>;
  /** What Kubernetes says about the processes of this node. */
  supervisor?: Supervisor | undefined;
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
  programs: true,
  supervisor: true,
};

/**
 * oom_score_adj of the guard: the kernel's OOM killer kills almost every other process first, and only processes with
 * -1000 are never killed.
 */
const OWN_ADJ = -900;
/**
 * The guard's nice value, for where real-time priority is not permitted. While memory is short, many processes use the
 * CPU to reclaim memory, and the guard would have to wait for its turn. With real-time priority, the guard can also
 * allocate from the kernel's reserve (mm/page_alloc.c: ALLOC_MIN_RESERVE), while other processes have to reclaim first.
 */
const OWN_NICE = -20;
/**
 * CPU time of JavaScript at real-time priority (ms), on a machine with one CPU. Otherwise a slow one would run nothing else for 70 to 380 ms
 * while the guard chooses (docs/guard-benchmarks.md). With several CPUs, the others run meanwhile.
 */
const SLICES = { runMs: 4, everyMs: 6 };
/**
 * The guard warns if V8's limit of its heap is above this. V8's default depends on the size of the machine and may be
 * gigabytes.
 */
const SENSIBLE_HEAP_BYTES = 256 * 2 ** 20;

/**
 * Opens a guard that does not sample yet: `guard.start()` starts sampling. The caller owns the opened guard and must
 * close it.
 *
 * @throws OomscopeError USAGE: a program of an `exec` step cannot be run, or another guard has locked the state file;
 *   BAD_INPUT: the state file is damaged, or other users could have written it; NOT_PERMITTED, OUTPUT, ADDON_MISSING
 */
export async function openGuard(config: GuardConfig, options: OpenGuardOptions = {}): Promise<OpenedGuard> {
  refuseUnknownOptions('openGuard(), the configuration', config, configNames);
  refuseUnknownOptions('openGuard()', options, optionNames);
  const policy = { ...withPrograms(config.policy), supervisor: options.supervisor };
  const notes: string[] = [];
  const enforce = config.mode === 'enforce';
  if (enforce) checkMayEnforce();
  const state = openGuardState(config);
  const { ledger, turns } = state;
  let guard: Guard | undefined;
  let arming: Arming | undefined;
  let sampler: Sampler | undefined;
  try {
    notes.push(...state.notes);
    const { rules, protect } = policy;
    const { pressure, cmdline } = options;
    const senses = new Sampler({ rules, protect, pressure, cmdline, preference: oomdPreference });
    sampler = senses;
    const levels = senses.levels();
    notes.push(...startNotes(rules, levels), ...(enforce ? [] : watchNotes(rules)));
    notes.push(...(options.supervisor?.notes(rules, levels) ?? []));
    const urgent = enforce && holdsAnywhere(rules, levels);
    const opened = new Guard({
      mode: config.mode,
      policy,
      machine: senses,
      hook,
      fastestMs: config.fastestMs,
      restraints: new CgroupRestraints(ledger),
      turns,
      urgent,
      ...(options.envelopes && { envelopes: options.envelopes }),
      ...(options.beforeSignal && { beforeSignal: options.beforeSignal }),
    });
    guard = opened;
    const finish = async () => {
      if (config.arm) arming = await arm({ ledger, programs: await options.programs?.() }, notes);
      if (arming) opened.arm(arming, config.raiseScore && state.mayRaise);
    };
    const warmUp = () => warmUpGuard(senses, hook, arming).then(() => {});
    // While memory is short, what makes later kills fast must not delay the first one.
    if (enforce && !urgent) await finish();
    const giveUp = enforce ? prepare(config, notes) : () => {};
    if (enforce) notes.push(...rightsNotes());
    if (enforce && !urgent) await warmUp();
    let closed = false;
    const later = urgent ? opened.calm.then(() => (closed ? undefined : finish().then(warmUp))) : undefined;
    let again = Promise.resolve();
    const warmUpAgain = () => (again = enforce && !closed ? (later ?? again.then(warmUp)) : again);
    const close = async () => {
      closed = true;
      await opened.close();
      await Promise.all([later, again]);
      arming?.close();
      senses.close();
      state[Symbol.dispose]();
      giveUp();
    };
    return { guard: opened, sampler: senses, notes, warmUp: warmUpAgain, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await guard?.close();
    arming?.close(); // its threads would keep the process running
    sampler?.close();
    state[Symbol.dispose]();
    throw error;
  }
}

/** Whether a rule would fire now, if it asks for no time. */
const holdsAnywhere = (rules: readonly Rule[], levels: Sample): boolean =>
  rules.some((rule) => placesOf(rule.on, levels).some((place) => holdNow(rule.when, levels, place)));

/** The policy, in which each program of an `exec` step has its absolute path. @throws OomscopeError USAGE */
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

/**
 * Arming is optional. Where the kernel or the privileges do not allow arming, the guard runs without it and says so in
 * `notes`.
 */
async function arm(options: ArmingOptions, notes: string[]): Promise<Arming | undefined> {
  try {
    const { openArming } = await import('./arming/arming.ts');
    const arming = openArming(options);
    notes.push(`can arm the likely victim with the backend "${arming.backend}": ${arming.reason}`);
    return arming;
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    notes.push(`cannot arm the likely victim: ${error.message}`);
    return undefined;
  }
}

/** Rights over other users' processes that this process lacks. Without a note, a guard would only seem to do all that it does. */
const rightsNotes = (): string[] =>
  lackingFor(new Set(['guarding']))
    .filter(({ capability }) => capability === 'CAP_KILL' || capability === 'CAP_DAC_OVERRIDE')
    .map(({ capability, without }) => {
      // checkMayEnforce() lets only root go on without it.
      const lacks = capability === 'CAP_KILL' ? 'the guard can end only processes of uid 0' : without;
      return `runs without ${capability}: ${lacks}`;
    });

/** @returns a function that restores the priority and unlocks the memory */
function prepare({ lockMemory, realtimePriority }: GuardConfig, notes: string[]): () => void {
  // Opens a pidfd once, so that the code for it is loaded before memory is locked.
  ProcessHandle.open({ pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 }).close();
  const { survived, undo } = survive({
    lockMemory,
    oomScoreAdj: OWN_ADJ,
    nice: OWN_NICE,
    ...(realtimePriority > 0 && { realtimePriority, ...(onlineCpus() === 1 && { realtimeSlices: SLICES }) }),
  });
  notes.push(...survivalNotes(survived));
  return undo;
}

function survivalNotes(survived: Survived): string[] {
  const notes = Object.values(survived).flatMap((why) => (why === null ? [] : [`runs without ${why}`]));
  const limit = getHeapStatistics().heap_size_limit;
  if (limit > SENSIBLE_HEAP_BYTES) {
    const mib = Math.round(limit / 2 ** 20);
    notes.push(
      `its own heap may grow to ${mib} MiB: start it by \`node --max-old-space-size=64\`, as \`oomscope systemd\` does`,
    );
  }
  return notes;
}
