/**
 * A response handles one shortage of memory, from the choice of a victim to the result. It takes the steps of the
 * rule's ladder until memory is no longer short. Before each step, it samples memory and the victim again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pidsBelow } from '../../linux/cgroup-pids.ts';
import type { Sample, SampledProcess } from '../../model/sample.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';
import { formatBytes } from '../../text/format.ts';
import { placeOf } from '../rules/decide.ts';
import { holdNow } from '../rules/detect.ts';
import { Ladder, type Situation } from '../rules/ladder.ts';
import type { Step } from '../rules/rule.ts';
import { hasLeft, heldBytes, SHRUNK_SHARE } from '../rules/unit.ts';
import { steps } from '../steps/steps.ts';
import type { Plan } from './announce.ts';
import { Attempt, type AttemptContext, type Choice } from './attempt.ts';
import type { CgroupRestraints } from './cgroup-restraints.ts';
import { diagnose } from './diagnose.ts';
import { REST } from './machine-view.ts';
import { maySignal, refusalOf } from './may-signal.ts';
import { type Hook, VictimTools } from './step-tools.ts';
import { Victim } from './victim.ts';

export interface ResponseContext extends AttemptContext {
  restraints: CgroupRestraints;
  hook: Hook;
  /** Awaited before the first signal. Never rejects. */
  beforeSignal?: (plan: Plan) => Promise<void>;
}

/** The memory and the victim at one moment. */
interface Snapshot {
  sample: Sample;
  /** The first process of the victim; undefined: it has exited. */
  lead: SampledProcess | undefined;
  victim: Situation['victim'];
  tookMs: number;
}

/** After a response that failed, its rule rests for this long (ms). */
const RETRY_MS = 1000;

export class Response {
  readonly choice: Choice;
  readonly #attempt: Attempt;
  readonly #context: ResponseContext;
  readonly #known: ProcessHandle | undefined;
  readonly #before: Sample;
  /** Whether the victim has exited. */
  #isGone = false;

  /**
   * Announces the plan.
   *
   * @param sample the sample from which the victim was chosen
   * @param triggerNs CLOCK_MONOTONIC of the reading that fired the rule
   * @param known a handle of the victim, where the caller has one
   */
  constructor(context: ResponseContext, choice: Choice, sample: Sample, triggerNs: bigint, known?: ProcessHandle) {
    this.#context = context;
    this.#known = known;
    this.choice = choice;
    this.#before = sample;
    this.#attempt = new Attempt(context, choice, sample, triggerNs);
  }

  get plan(): Plan {
    return this.#attempt.plan;
  }

  /** Records that the armed victim was sent SIGKILL before this response came to that step. */
  signalledByArming(atNs: bigint, detail: string): void {
    this.#attempt.killedEarly(atNs, detail);
  }

  /** Runs the response to its end. Call it immediately after the constructor. If it rejects, call failed(). */
  async run(): Promise<void> {
    const { announce, machine, policy } = this.#context;
    const { victim: candidate, fired } = this.choice;
    if (announce.mode !== 'enforce') {
      for (const step of fired.rule.steps) this.#attempt.action(step.do, 'would', null);
      announce.result(this.plan, 'would_kill');
      return;
    }
    const { cgroup } = candidate.target;
    const directory = cgroup === null || cgroup === '/' ? undefined : machine.directoryOf(cgroup);
    using victim = Victim.take(candidate, directory, this.#known);
    if (!victim) {
      announce.skipped(fired, 'victim_changed', 'it has exited since it was chosen', { plan: this.plan.id });
      policy.lost(candidate.target, machine.levels().mono_ms);
      return;
    }
    const tools = this.#toolsFor(victim, directory);
    try {
      await this.#climb(victim, tools);
    } catch (error) {
      tools.undo();
      throw error;
    }
  }

  /**
   * Announces that run() has rejected, for example because too many files are open. The rule may fire again after a
   * second: the next response may succeed.
   */
  failed(error: unknown): void {
    const { announce, policy } = this.#context;
    if (this.#isGone) {
      announce.result(this.plan, 'ended');
      return;
    }
    const { fired } = this.choice;
    policy.rest(fired.rule, placeOf(fired), performance.now(), RETRY_MS);
    const why = error instanceof Error ? error.message : String(error);
    announce.result(this.plan, 'survived', {}, `the response failed: ${why}`);
  }

  #toolsFor(victim: Victim, directory: string | undefined): VictimTools {
    const { restraints, hook, signal } = this.#context;
    const { cgroup } = victim.candidate.target;
    return new VictimTools({
      attempt: this.#attempt,
      victim,
      restraints,
      hook,
      signal,
      directory,
      spared: () => (cgroup === null ? undefined : this.#sparedIn(cgroup, directory)),
      maySignal: (pid) => maySignal(pid, { ...this.choice, before: this.#before }, this.#context),
    });
  }

  async #climb(victim: Victim, tools: VictimTools): Promise<void> {
    const { signal } = this.#context;
    const { measured } = this.#attempt;
    const ladder = new Ladder(this.choice.fired.rule.steps);
    for (let now = this.#look(victim); !signal.aborted; ) {
      const { sample } = now;
      const move = ladder.move({
        nowMs: sample.mono_ms,
        victim: now.victim,
        short: measured.isShort(sample),
        holds: (detectors) => holdNow(detectors, sample, measured.cgroupIn(sample)),
      });
      if (move.kind === 'end') {
        await this.#end(move.outcome, victim, tools);
        return;
      }
      if (move.kind === 'wait') {
        const pause = sleep(Math.max(move.ms, REST * now.tookMs), undefined, { signal }).catch(() => {});
        await Promise.race([victim.exited, pause]);
        now = this.#look(victim);
      } else if (move.kind === 'pass') {
        this.#attempt.action(move.step.do, 'not_needed', null);
      } else {
        const taken = await this.#take(move.step, tools, now);
        if (taken === 'victim changed') return;
        const { waitsFor } = steps[move.step.do];
        if (waitsFor === 'nothing') continue; // the last snapshot is still valid after this step
        now = this.#look(victim);
        // A step that did nothing has no effect to wait for.
        if (waitsFor === 'itself' || taken === 'unavailable') ladder.hurry();
      }
    }
    tools.undo();
    this.#attempt.result('abandoned');
  }

  /** Takes a step. If the victim has changed since it was chosen (see `refusalOf()`), the response ends instead. */
  async #take(
    step: Step,
    tools: VictimTools,
    { sample, lead }: Snapshot,
  ): Promise<'victim changed' | 'unavailable' | 'taken'> {
    const { announce, beforeSignal } = this.#context;
    const isFirstSignal = steps[step.do].signal !== undefined && !this.#attempt.hasSignalled;
    const same = lead?.start_ticks === this.choice.victim.target.start_ticks ? lead : undefined;
    const refusal = same && refusalOf(same, { ...this.choice, before: this.#before }, this.#context);
    const changed = refusal ?? (same && (this.#departure(same) ?? (isFirstSignal ? this.#loss(same) : undefined)));
    if (changed !== undefined) {
      tools.undo();
      announce.skipped(this.choice.fired, 'victim_changed', changed, { plan: this.plan.id });
      // The next sample shows where a process is that has moved. A process that must not be killed could be chosen again.
      if (refusal !== undefined) this.#context.policy.lost(this.choice.victim.target, sample.mono_ms);
      return 'victim changed';
    }
    try {
      if (isFirstSignal) await beforeSignal?.(this.plan);
      const { outcome, detail } = await tools.take(step, sample.mono_ms);
      this.#attempt.action(step.do, outcome, detail);
      if (outcome === 'unavailable') return 'unavailable';
    } catch (error) {
      this.#attempt.action(step.do, 'failed', (error as Error).message);
    }
    return 'taken';
  }

  async #end(outcome: 'gone' | 'recovered' | 'survived' | 'stuck', victim: Victim, tools: VictimTools): Promise<void> {
    const { policy, machine } = this.#context;
    const { fired } = this.choice;
    const now = machine.levels().mono_ms;
    policy.rest(fired.rule, placeOf(fired), now);
    switch (outcome) {
      case 'gone': {
        this.#isGone = true;
        const exitNs = await victim.exited;
        tools.undo();
        await this.#attempt.exited(exitNs, tools.releasing);
        return;
      }
      case 'recovered':
        tools.undo(fired.rule.undoAfterMs);
        this.#attempt.result('recovered');
        return;
      default: {
        tools.undo();
        const stuck = await diagnose(victim.lead.pid);
        // A victim that was not sent SIGKILL is chosen again: SIGTERM may be ignored, and another process would be killed
        // in its place. A victim whose memory still shrinks is exiting slowly, and the next decision waits for it.
        if (outcome === 'stuck' && !stuck.memory_falling) policy.stuck(victim.candidate.target, now);
        this.#attempt.result('survived', { stuck });
      }
    }
  }

  #look(victim: Victim): Snapshot {
    const { machine } = this.#context;
    const began = performance.now();
    const sample = machine.levels();
    const lead = machine.process(victim.lead.pid);
    const state = victim.state((pid) => (pid === victim.lead.pid ? lead : machine.process(pid)));
    return { sample, lead, victim: state, tookMs: performance.now() - began };
  }

  /** Where the first process has moved, if it has left the cgroup for which it was chosen; undefined: it has not. */
  #departure(now: SampledProcess): string | undefined {
    const { fired, victim } = this.choice;
    const left = hasLeft(now, victim, fired.cgroup);
    return left && `${now.comm} (pid ${now.pid}) has moved from ${left} to ${now.cgroup}`;
  }

  /** How much a single process has given up since it was chosen; undefined: it still holds most of it, or it is one of several. */
  #loss(lead: SampledProcess): string | undefined {
    const [member, ...others] = this.choice.victim.members;
    if (!member || others.length > 0) return undefined;
    const [now, before] = [heldBytes(lead), heldBytes(member)];
    if (now >= SHRUNK_SHARE * before) return undefined;
    return `${lead.comm} (pid ${lead.pid}) holds ${formatBytes(now)} of the ${formatBytes(before)} for which it was chosen`;
  }

  /** Finds a process in a cgroup or below it that must not be slowed down or stopped. */
  #sparedIn(cgroup: string, directory: string | undefined): SampledProcess | undefined {
    const { policy, machine } = this.#context;
    // A scan reads the cgroup of a small process only now and then, and process() at once.
    if (directory !== undefined) for (const pid of pidsBelow(directory).pids) machine.process(pid);
    return policy.sparedIn(cgroup, this.choice.fired.rule, machine.whole());
  }
}
