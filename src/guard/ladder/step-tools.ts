/**
 * Implements the steps of one response: signals to the victim, writes to the files of its cgroup, and the user's
 * program.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SampledProcess } from '../../model/sample.ts';
import { sendAndWait } from '../../process/socket-message.ts';
import type { Step } from '../rules/rule.ts';
import type { OptionValues, Restraint, StepOptions, StepResult, StepTools } from '../steps/step.ts';
import { stepOfFile, steps } from '../steps/steps.ts';
import type { Plan } from './announce.ts';
import type { Attempt } from './attempt.ts';
import type { CgroupRestraints } from './cgroup-restraints.ts';
import { planText } from './plan-text.ts';
import type { MaySignal, Victim } from './victim.ts';

/** Runs the user's program for a plan. Never rejects. */
export type Hook = (command: readonly string[], plan: Plan, signal: AbortSignal) => Promise<StepResult>;

export interface VictimToolsOptions {
  attempt: Attempt;
  victim: Victim;
  restraints: CgroupRestraints;
  hook: Hook;
  /** Aborts the waiting of a step. */
  signal: AbortSignal;
  /** The directory of the victim's cgroup. undefined: the victim is in the root cgroup, or its cgroup is unknown. */
  directory: string | undefined;
  /** Finds a process in the victim's cgroup that must not be slowed down or stopped. */
  spared: () => SampledProcess | undefined;
  /** Whether a process of the victim, or one that has joined its cgroup, may be signalled now. */
  maySignal: MaySignal;
}

export class VictimTools implements StepTools {
  readonly #options: VictimToolsOptions;
  #releasing: Promise<void> | undefined;
  #step: Step | undefined;
  #nowMs = 0;

  constructor(options: VictimToolsOptions) {
    this.#options = options;
  }

  /** Resolves when process_mrelease() has returned; undefined: it was not called. */
  get releasing(): Promise<void> | undefined {
    return this.#releasing;
  }

  /** @param nowMs the time of the sample */
  async take(step: Step, nowMs: number): Promise<StepResult> {
    this.#step = step;
    this.#nowMs = nowMs;
    return steps[step.do].act(this, step as unknown as OptionValues<StepOptions>);
  }

  get points(): number {
    return this.#options.victim.candidate.score;
  }

  run(command: readonly string[]): Promise<StepResult> {
    const { hook, attempt, signal } = this.#options;
    const timeout = AbortSignal.timeout(this.#step?.waitMs ?? 0);
    return hook(command, attempt.plan, AbortSignal.any([signal, timeout]));
  }

  async tell(socket: string): Promise<StepResult> {
    const { attempt, signal } = this.#options;
    const timeout = AbortSignal.timeout(this.#step?.waitMs ?? 0);
    const { outcome, reply } = await sendAndWait(socket, planText(attempt.plan), AbortSignal.any([signal, timeout]));
    return { outcome: outcome === 'delivered' ? 'done' : 'failed', detail: reply };
  }

  ask(signal: string): StepResult {
    const { victim, maySignal } = this.#options;
    const reached = victim.ask(signal as NodeJS.Signals, maySignal);
    if (reached === 0) return { outcome: 'unavailable', detail: `it has no handler for ${signal}` };
    return { outcome: 'done', detail: reached === 1 ? signal : `${signal} to ${reached} processes` };
  }

  async reclaim(bytes: number): Promise<StepResult> {
    const directory = this.#cgroup();
    return typeof directory === 'string' ? this.#options.restraints.reclaim(directory, bytes) : directory;
  }

  restrain(choose: Restraint): StepResult {
    const directory = this.#cgroup();
    if (typeof directory !== 'string') return directory;
    const file = this.#step && steps[this.#step.do].file;
    if (file === undefined) throw new Error('This kind of step declares no file to write.');
    return this.#options.restraints.restrain(directory, file, choose);
  }

  terminate(): StepResult {
    const { victim, attempt, maySignal } = this.#options;
    this.#undo(this.#stopping()); // a frozen process cannot handle SIGTERM
    const reached = victim.terminate(maySignal);
    attempt.signalled();
    this.#release(); // a process without a handler for SIGTERM is already exiting
    return { outcome: 'done', detail: reached === 1 ? null : `${reached} processes` };
  }

  kill(): StepResult {
    const { victim, attempt, maySignal } = this.#options;
    const { reached, by } = victim.kill(maySignal);
    attempt.signalled();
    this.#release();
    attempt.killed(this.#nowMs);
    this.#undo(this.#stopping());
    return { outcome: 'done', detail: `${reached === 1 ? '' : `${reached} processes, `}by ${by}` };
  }

  /**
   * Restores the files of the victim's cgroup. @param afterMs delay (ms); when the guard is closed, the files are
   * restored immediately
   */
  undo(afterMs = 0): void {
    const files = this.#written();
    if (files.length === 0) return;
    const undo = () => this.#undo(files);
    if (afterMs === 0) undo();
    else void sleep(afterMs, undefined, { signal: this.#options.signal, ref: false }).then(undo, undo);
  }

  /** The directory of the victim's cgroup, or the reason why its files must not be written. */
  #cgroup(): string | StepResult {
    const { directory, spared, victim } = this.#options;
    if (directory === undefined) return { outcome: 'unavailable', detail: 'the victim has no cgroup of its own' };
    const inside = spared();
    if (!inside) return directory;
    const { cgroup } = victim.candidate.target;
    return { outcome: 'unavailable', detail: `${inside.comm} (pid ${inside.pid}) is in ${cgroup}` };
  }

  #written(): string[] {
    const { directory, restraints } = this.#options;
    return directory === undefined ? [] : restraints.of(directory);
  }

  /** The written files that stop the victim, such as cgroup.freeze. */
  #stopping(): string[] {
    return this.#written().filter((file) => {
      const step = stepOfFile(file);
      return step !== undefined && steps[step].stops === true;
    });
  }

  #undo(files: readonly string[]): void {
    if (files.length === 0) return;
    for (const file of this.#options.restraints.release(files)) {
      const step = stepOfFile(file);
      if (step) this.#options.attempt.action(step, 'undone', null);
    }
  }

  /**
   * Frees the victim's memory from another thread, by process_mrelease(2). The victim itself may be stuck, or may not
   * get the CPU to free its memory.
   */
  #release(): void {
    const { victim, attempt } = this.#options;
    this.#releasing = victim.release().then(
      (outcome) => {
        attempt.mrelease = outcome || attempt.mrelease;
      },
      (error: Error) => {
        attempt.mrelease = error.message;
      },
    );
  }
}
