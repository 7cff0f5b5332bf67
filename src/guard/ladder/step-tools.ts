/** The tools that the steps of one ladder act with: signals to the victim, files of its cgroup, a program of the user's. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SampledProcess } from '../../model/sample.ts';
import type { Step } from '../rules/rule.ts';
import type { OptionValues, Restraint, StepOptions, StepResult, StepTools } from '../steps/step.ts';
import { stepOfFile, steps } from '../steps/steps.ts';
import type { Plan } from './announce.ts';
import type { Attempt } from './attempt.ts';
import type { CgroupRestraints } from './cgroup-restraints.ts';
import type { Victim } from './victim.ts';

/** Runs a program for a plan. Never rejects. */
export type Hook = (command: readonly string[], plan: Plan, signal: AbortSignal) => Promise<StepResult>;

export interface VictimToolsOptions {
  attempt: Attempt;
  victim: Victim;
  restraints: CgroupRestraints;
  hook: Hook;
  /** Aborts what is waited for. */
  signal: AbortSignal;
  /** The directory of the victim's cgroup. undefined: it has no cgroup of its own. */
  directory: string | undefined;
  /** A process in the victim's cgroup that must not be slowed down or stopped. */
  spared: () => SampledProcess | undefined;
  /** Whether a process that has joined the victim's cgroup may be killed with it. */
  mayKill: (pid: number) => boolean;
}

export class VictimTools implements StepTools {
  readonly #options: VictimToolsOptions;
  #releasing: Promise<void> | undefined;
  #step: Step | undefined;
  #nowMs = 0;

  constructor(options: VictimToolsOptions) {
    this.#options = options;
  }

  /** Settles when process_mrelease() has returned. */
  get releasing(): Promise<void> | undefined {
    return this.#releasing;
  }

  /** @param nowMs the clock of samples */
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

  async reclaim(bytes: number): Promise<StepResult> {
    const directory = this.#cgroup();
    return typeof directory === 'string' ? this.#options.restraints.reclaim(directory, bytes) : directory;
  }

  restrain(choose: Restraint): StepResult {
    const directory = this.#cgroup();
    if (typeof directory !== 'string') return directory;
    const file = this.#step && steps[this.#step.do].file;
    if (file === undefined) throw new Error('A step without a file has nothing to restrain with.');
    return this.#options.restraints.restrain(directory, file, choose);
  }

  terminate(): StepResult {
    const { victim, attempt } = this.#options;
    this.#undo(this.#stopping()); // a frozen process cannot handle SIGTERM
    const reached = victim.terminate();
    attempt.signalled();
    this.#release(); // a process that does not handle SIGTERM is dying by now
    return { outcome: 'done', detail: reached === 1 ? null : `${reached} processes` };
  }

  kill(): StepResult {
    const { victim, attempt, mayKill } = this.#options;
    const { reached, by } = victim.kill(mayKill);
    attempt.signalled();
    this.#release();
    attempt.killed(this.#nowMs);
    this.#undo(this.#stopping());
    return { outcome: 'done', detail: `${reached === 1 ? '' : `${reached} processes, `}by ${by}` };
  }

  /** Undoes what was written to the victim's cgroup. @param afterMs after this time, or when the guard is closed */
  undo(afterMs = 0): void {
    const files = this.#written();
    if (files.length === 0) return;
    const undo = () => this.#undo(files);
    if (afterMs === 0) undo();
    else void sleep(afterMs, undefined, { signal: this.#options.signal, ref: false }).then(undo, undo);
  }

  /** The victim's cgroup, or why it must not be touched. */
  #cgroup(): string | StepResult {
    const { directory, spared, victim } = this.#options;
    if (directory === undefined) return { outcome: 'unavailable', detail: 'it has no cgroup of its own' };
    const inside = spared();
    if (!inside) return directory;
    const { cgroup } = victim.candidate.target;
    return { outcome: 'unavailable', detail: `${inside.comm} (pid ${inside.pid}) is in ${cgroup}` };
  }

  #written(): string[] {
    const { directory, restraints } = this.#options;
    return directory === undefined ? [] : restraints.of(directory);
  }

  /** Files by which the victim is stopped. */
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

  /** Has another thread take the memory of the victim: it may be stuck, or not get the CPU to free its memory itself. */
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
