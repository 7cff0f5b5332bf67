/**
 * One shortage, from the choice of a victim to what came of it: the ladder is climbed as far as it is needed, looking again
 * at memory and at the victim before every step.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuardResult } from '../../model/guard.ts';
import type { Sample, SampledProcess } from '../../model/sample.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';
import { type Decision, type Policy, placeOf } from '../rules/decide.ts';
import { holdNow } from '../rules/detect.ts';
import { Ladder, type View } from '../rules/ladder.ts';
import { sparesItsGroup } from '../rules/protect.ts';
import type { Step } from '../rules/rule.ts';
import type { Announcer, Plan } from './announce.ts';
import type { CgroupRestraints, StepResult } from './cgroup-restraints.ts';
import { diagnose } from './diagnose.ts';
import { Victim } from './victim.ts';

/** What is seen of the machine: src/sources/sampler.ts. */
export interface MachineView {
  levels(): Sample;
  whole(levels?: Sample): Sample;
  process(pid: number): SampledProcess | undefined;
  kernelKills(): number | null;
  directoryOf(path: string): string | undefined;
}

/** Runs a program for a plan. Never rejects. */
export type Hook = (command: readonly string[], plan: Plan, signal: AbortSignal) => Promise<StepResult>;

export interface ResponseContext {
  senses: MachineView;
  policy: Policy;
  announce: Announcer;
  restraints: CgroupRestraints;
  hook: Hook;
  /** Waited for before the first signal. Never rejects. */
  beforeSignal?: (plan: Plan) => Promise<void>;
  /** Ends it, whatever it is at. */
  signal: AbortSignal;
}

interface Snapshot {
  sample: Sample;
  /** The process that led to it. */
  lead: SampledProcess | undefined;
  state: View['victim'];
  tookMs: number;
}

type Choice = Extract<Decision, { kind: 'kill' }>;

/**
 * For every millisecond that a look took, so many pass before the next: real-time as the guard is, it must leave the CPU to
 * those who free the memory.
 */
export const REST = 4;
/** How long memory may take to come back after the last of the victim has ended. */
const MEMORY_BACK_MS = 2000;
const MEMORY_LOOK_MS = 5;
/** Of what the victim held: the rest may have been taken by others meanwhile, or was shared. */
const BACK_SHARE = 0.5;

export class Response {
  readonly choice: Choice;
  readonly plan: Plan;
  readonly #scene: ResponseContext;
  readonly #triggerNs: bigint;
  readonly #known: ProcessHandle | undefined;
  readonly #before: Sample;
  readonly #killsBefore: number | null;
  #signalNs: bigint | undefined;
  #mrelease: string | null = null;
  #releasing: Promise<void> | undefined;

  /**
   * @param sample what the decision was made on
   * @param triggerNs CLOCK_MONOTONIC when that was seen
   * @param known a handle of the victim, where there is one
   */
  constructor(scene: ResponseContext, choice: Choice, sample: Sample, triggerNs: bigint, known?: ProcessHandle) {
    this.#scene = scene;
    this.#known = known;
    this.choice = choice;
    this.#before = sample;
    this.#triggerNs = triggerNs;
    this.#killsBefore = choice.fired.cgroup ? choice.fired.cgroup.oom_kills : scene.senses.kernelKills();
    this.plan = scene.announce.plan(choice);
  }

  /** Never rejects but for what is wrong with the program. To be called at once. */
  async run(): Promise<void> {
    const { announce, senses } = this.#scene;
    const { victim: candidate } = this.choice;
    if (announce.mode !== 'enforce') {
      for (const step of this.choice.fired.rule.steps) this.#tell(step, 'would', null);
      announce.result(this.plan, 'would_kill');
      return;
    }
    const { cgroup, unit } = candidate.target;
    const directory = unit === 'cgroup' && cgroup !== null ? senses.directoryOf(cgroup) : undefined;
    using victim = Victim.take(candidate, directory, this.#known);
    if (!victim) {
      announce.skipped(this.choice.fired, 'victim_changed', 'it has ended since it was chosen', { plan: this.plan.id });
      return;
    }
    await this.#climb(victim);
  }

  async #climb(victim: Victim): Promise<void> {
    const { signal } = this.#scene;
    const { rule } = this.choice.fired;
    const ladder = new Ladder(rule.steps);
    for (let glance = this.#glance(victim); !signal.aborted; ) {
      const { sample } = glance;
      const move = ladder.move({
        nowMs: sample.mono_ms,
        victim: glance.state,
        short: this.#isShort(sample),
        holds: (detectors) => holdNow(detectors, sample, this.#cgroup(sample)),
      });
      switch (move.kind) {
        case 'wait':
          await Promise.race([
            victim.exited,
            sleep(Math.max(move.ms, REST * glance.tookMs), undefined, { signal }).catch(() => {}),
          ]);
          glance = this.#glance(victim);
          break;
        case 'pass':
          this.#tell(move.step, 'not_needed', null);
          break;
        case 'take':
          if (!(await this.#take(move.step, victim, glance))) return;
          if (move.step.do === 'notify') break; // it took no time: what was seen is so still
          glance = this.#glance(victim);
          if (move.step.do === 'exec' || move.step.do === 'reclaim') ladder.hurry(glance.sample.mono_ms);
          break;
        case 'end':
          await this.#end(move.outcome, victim);
          return;
      }
    }
    this.#undo();
    this.#scene.announce.result(this.plan, 'abandoned', this.#figures());
  }

  /** @returns false: the victim is not what it was, and it is over */
  async #take(step: Step, victim: Victim, { sample, lead }: Snapshot): Promise<boolean> {
    const changed = this.#changed(victim, lead);
    if (changed !== undefined) {
      this.#undo();
      this.#scene.announce.skipped(this.choice.fired, 'victim_changed', changed, { plan: this.plan.id });
      return false;
    }
    try {
      const signals = step.do === 'term' || step.do === 'kill';
      if (signals && this.#signalNs === undefined) await this.#scene.beforeSignal?.(this.plan);
      const { outcome, detail } = await this.#do(step, victim, sample);
      this.#tell(step, outcome, detail);
    } catch (error) {
      this.#tell(step, 'failed', (error as Error).message);
    }
    return true;
  }

  async #do(step: Step, victim: Victim, sample: Sample): Promise<StepResult> {
    const { hook, restraints, policy, signal } = this.#scene;
    switch (step.do) {
      case 'notify':
        return { outcome: 'done', detail: `${victim.candidate.score} points` };
      case 'exec':
        return hook(step.command ?? [], this.plan, AbortSignal.any([signal, AbortSignal.timeout(step.waitMs)]));
      case 'reclaim':
      case 'throttle':
      case 'freeze': {
        const place = this.#restrainable();
        if ('outcome' in place) return place;
        if (step.do === 'reclaim') return restraints.reclaim(place.directory, step.bytes ?? 0);
        if (step.do === 'freeze') return restraints.freeze(place.directory);
        return restraints.throttle(place.directory, step.percent ?? 90);
      }
      case 'term': {
        this.#thaw(); // what is frozen does not hear it
        const reached = victim.terminate();
        this.#signalNs ??= process.hrtime.bigint();
        this.#release(victim); // where it does not handle SIGTERM it is dying by now
        return { outcome: 'done', detail: reached === 1 ? null : `${reached} processes` };
      }
      case 'kill': {
        const { reached, by } = victim.kill((pid) => this.#mayDie(pid));
        this.#signalNs ??= process.hrtime.bigint();
        this.#release(victim);
        policy.killed(sample.mono_ms);
        this.#thaw();
        return { outcome: 'done', detail: `${reached === 1 ? '' : `${reached} processes, `}by ${by}` };
      }
    }
  }

  async #end(outcome: 'gone' | 'recovered' | 'survived' | 'stuck', victim: Victim): Promise<void> {
    const { announce, policy, senses } = this.#scene;
    const { fired } = this.choice;
    const now = senses.levels().mono_ms;
    policy.rest(fired.rule, placeOf(fired), now);
    if (outcome === 'gone') {
      const exitNs = await victim.exited;
      this.#undo();
      const back = await this.#memoryBack();
      await this.#releasing;
      const kernel = fired.cgroup ? (this.#cgroup(senses.levels())?.oom_kills ?? null) : senses.kernelKills();
      const kernelToo = kernel === null || this.#killsBefore === null ? null : kernel > this.#killsBefore;
      const byUs = this.#signalNs !== undefined;
      announce.result(
        this.plan,
        byUs ? (back === undefined ? 'ended' : 'killed') : kernelToo ? 'kernel_first' : 'recovered',
        {
          ...this.#figures(),
          kernel_killed_too: kernelToo,
          signal_to_exit_ns: this.#signalNs === undefined ? null : Number(exitNs - this.#signalNs),
          signal_to_memory_back_ns:
            back === undefined || this.#signalNs === undefined ? null : Number(back - this.#signalNs),
        },
      );
      return;
    }
    this.#undo(outcome === 'recovered' ? fired.rule.undoAfterMs : 0);
    if (outcome === 'recovered') {
      announce.result(this.plan, 'recovered', this.#figures());
      return;
    }
    const stuck = await diagnose(victim.lead.pid);
    // Slow, and on its way: it is still waited for, by being seen to die.
    if (!stuck.memory_falling) policy.stuck(victim.candidate.target, now);
    announce.result(this.plan, 'survived', { ...this.#figures(), stuck });
  }

  /** CLOCK_MONOTONIC when there was enough again; undefined: not within the time. */
  async #memoryBack(): Promise<bigint | undefined> {
    const { rss_bytes, swap_bytes } = this.plan.victim;
    const until = performance.now() + MEMORY_BACK_MS;
    for (;;) {
      const began = performance.now();
      const freed = this.#freed();
      if (
        freed === null ||
        freed >= BACK_SHARE * (rss_bytes + swap_bytes) ||
        !this.#isShort(this.#scene.senses.levels())
      ) {
        return process.hrtime.bigint();
      }
      const now = performance.now();
      if (now > until || this.#scene.signal.aborted) return undefined;
      await sleep(Math.max(MEMORY_LOOK_MS, REST * (now - began)));
    }
  }

  #figures(): Partial<GuardResult> {
    const since = (ns: bigint | undefined) => (ns === undefined ? null : Number(ns - this.#triggerNs));
    return { freed_bytes: this.#freed(), trigger_to_signal_ns: since(this.#signalNs), mrelease: this.#mrelease };
  }

  /** How much more is available where it was short; null: the cgroup is gone. */
  #freed(): number | null {
    const now = this.#scene.senses.levels();
    const { cgroup } = this.choice.fired;
    if (!cgroup) {
      const of = ({ system }: Sample) => system.available_bytes + system.swap_free_bytes;
      return of(now) - of(this.#before);
    }
    const after = this.#cgroup(now);
    return after ? cgroup.usage_bytes - after.usage_bytes : null;
  }

  #isShort(sample: Sample): boolean {
    const { rule, cgroup } = this.choice.fired;
    const now = this.#cgroup(sample);
    return (cgroup === undefined || now !== undefined) && holdNow(rule.when, sample, now);
  }

  #cgroup(sample: Sample) {
    const { cgroup } = this.choice.fired;
    return cgroup && sample.cgroups.find(({ path }) => path === cgroup.path);
  }

  /** Memory and the victim as they are now. */
  #glance(victim: Victim): Snapshot {
    const { senses } = this.#scene;
    const began = performance.now();
    const sample = senses.levels();
    const lead = senses.process(victim.lead.pid);
    const state = victim.state((pid) => (pid === victim.lead.pid ? lead : senses.process(pid)));
    return { sample, lead, state, tookMs: performance.now() - began };
  }

  /** Why it may not be touched any more: another program may run in it by now. */
  #changed(victim: Victim, process_: SampledProcess | undefined): string | undefined {
    const { policy } = this.#scene;
    if (!process_ || process_.start_ticks !== victim.lead.startTicks) return undefined; // the ladder sees that it is gone
    const verdict = policy.rejectionOf(process_, this.choice.fired.rule, this.#before);
    return verdict && sparesItsGroup(verdict.reason) ? `${verdict.reason}: ${verdict.detail ?? ''}` : undefined;
  }

  #mayDie(pid: number): boolean {
    const { senses, policy } = this.#scene;
    const process_ = senses.process(pid);
    if (!process_) return true;
    const verdict = policy.rejectionOf(process_, this.choice.fired.rule, this.#before);
    return !verdict || !sparesItsGroup(verdict.reason);
  }

  /** The cgroup of the victim, unless somebody is in it who must not be held up. */
  #restrainable(): { directory: string } | StepResult {
    const { senses, policy } = this.#scene;
    const { cgroup } = this.plan.victim;
    const directory = cgroup === null || cgroup === '/' ? undefined : senses.directoryOf(cgroup);
    if (directory === undefined || cgroup === null)
      return { outcome: 'unavailable', detail: 'it has no cgroup of its own' };
    const spared = policy.sparedIn(cgroup, this.choice.fired.rule, this.#before);
    if (spared) return { outcome: 'unavailable', detail: `${spared.comm} (pid ${spared.pid}) is in ${cgroup}` };
    return { directory };
  }

  #thaw(): void {
    const { restraints } = this.#scene;
    const frozen = this.#ours().filter((file) => file.endsWith('/cgroup.freeze'));
    if (restraints.release(frozen).length > 0) this.#tell('freeze', 'undone', null);
  }

  #undo(afterMs = 0): void {
    const { restraints, signal } = this.#scene;
    const files = this.#ours();
    if (files.length === 0) return;
    const release = () => {
      for (const file of restraints.release(files)) {
        this.#tell(file.endsWith('/cgroup.freeze') ? 'freeze' : 'throttle', 'undone', null);
      }
    };
    if (afterMs === 0) release();
    else void sleep(afterMs, undefined, { signal, ref: false }).then(release, release);
  }

  #ours(): string[] {
    const { cgroup } = this.plan.victim;
    const directory = cgroup === null ? undefined : this.#scene.senses.directoryOf(cgroup);
    return directory === undefined ? [] : this.#scene.restraints.of(directory);
  }

  /** Its memory is taken from here, by another thread: it may be stuck, or not get the CPU to give it back itself. */
  #release(victim: Victim): void {
    this.#releasing = victim.release().then(
      (outcome) => {
        this.#mrelease = outcome || this.#mrelease;
      },
      (error: Error) => {
        this.#mrelease = error.message;
      },
    );
  }

  #tell(step: Step | Step['do'], outcome: Parameters<Announcer['action']>[2], detail: string | null): void {
    const name = typeof step === 'string' ? step : step.do;
    this.#scene.announce.action(this.plan, name, outcome, detail, this.#triggerNs);
  }
}
