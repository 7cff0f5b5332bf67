/**
 * One attempt on one victim: the plan, the first signal, and the result. Responses and armed targets both use this
 * class, so that both are announced, measured and counted in the same way.
 */
import type { GuardActionOutcome, GuardResult, GuardStep } from '../../model/guard.ts';
import type { Sample } from '../../model/sample.ts';
import { type Decision, type Policy, placeOf } from '../rules/decide.ts';
import type { Announcer, Plan } from './announce.ts';
import type { MachineView } from './machine-view.ts';
import { Measurement } from './measurement.ts';

/** A kill that frees less than this share of what its victim held has not helped. */
const LEAST_FREED = 0.25;

export type Choice = Extract<Decision, { kind: 'kill' }>;

export interface AttemptContext {
  machine: MachineView;
  policy: Policy;
  announce: Announcer;
  /** Aborts the attempt's waiting. */
  signal: AbortSignal;
}

export class Attempt {
  readonly choice: Choice;
  readonly plan: Plan;
  readonly measured: Measurement;
  /** The outcome of process_mrelease(2); null: it was not called. */
  mrelease: string | null = null;
  readonly #context: AttemptContext;
  readonly #triggerNs: bigint;
  #signalNs: bigint | undefined;
  #hasKilled = false;
  #hasAsked = false;

  /**
   * Announces the plan.
   *
   * @param sample the sample from which the victim was chosen
   * @param triggerNs CLOCK_MONOTONIC of the reading that fired the rule
   * @param kernelKills how many processes the kernel's OOM killer had killed when `sample` was taken; default: the
   *   current count
   */
  constructor(
    context: AttemptContext,
    choice: Choice,
    sample: Sample,
    triggerNs: bigint,
    kernelKills = context.machine.kernelKills(),
  ) {
    this.#context = context;
    this.#triggerNs = triggerNs;
    this.choice = choice;
    const { rss_bytes, swap_bytes } = choice.victim.target;
    const before = { sample, kernelKills, heldBytes: rss_bytes + swap_bytes };
    this.measured = new Measurement(context.machine, choice.fired, before);
    this.plan = context.announce.plan(choice);
  }

  /** Whether a signal was sent. */
  get hasSignalled(): boolean {
    return this.#signalNs !== undefined;
  }

  /** Records that a signal was sent. The figures of the result count from the first signal. */
  signalled(atNs: bigint = process.hrtime.bigint()): void {
    this.#signalNs ??= atNs;
  }

  /**
   * Records that SIGKILL was sent: the attempt counts against the limit of kills per minute. @param nowMs the time of
   * the sample
   */
  killed(nowMs: number): void {
    if (!this.#hasKilled) this.#context.policy.killed(nowMs);
    this.#hasKilled = true;
    this.plan.onlyFirst = false;
  }

  /** Records that the first process of an armed victim was sent SIGKILL, outside of the steps. */
  killedEarly(atNs: bigint, detail: string): void {
    this.signalled(atNs);
    this.killed(performance.now());
    this.plan.onlyFirst = this.choice.victim.members.length > 1;
    this.action('kill', 'done', detail);
  }

  /** Records that the other processes of an armed victim were sent SIGKILL, too. */
  killedOthers(reached: number, by: string): void {
    this.plan.onlyFirst = false;
    this.action('kill', 'done', `${reached} more, by ${by}`);
  }

  action(step: GuardStep, outcome: GuardActionOutcome, detail: string | null): void {
    if (step === 'ask' && outcome === 'done') this.#hasAsked = true;
    this.#context.announce.action(this.plan, step, outcome, detail, this.#triggerNs);
  }

  /** @param why the reason for the message, where the outcome alone does not say it */
  result(outcome: GuardResult['outcome'], found: Partial<GuardResult> = {}, why?: string): void {
    this.#context.announce.result(this.plan, outcome, { ...this.#figures(), ...found }, why);
  }

  /**
   * Call it when the victim has exited. Waits until its memory is free, and announces the result.
   *
   * @param exitNs CLOCK_MONOTONIC of the exit of its last process @param releasing resolves when process_mrelease() has
   *   returned
   */
  async exited(exitNs: bigint, releasing?: Promise<void>): Promise<void> {
    const back = await this.measured.memoryBack(this.#context.signal);
    await releasing;
    const kernelToo = this.measured.kernelKilled();
    if (back === undefined && !this.#context.signal.aborted) this.#noteDisappointment();
    const since = this.#signalNs;
    if (since === undefined) return this.#exitedUnsignalled(kernelToo);
    const found = {
      kernel_killed_too: kernelToo,
      signal_to_exit_ns: Number(exitNs - since),
      signal_to_memory_back_ns: back === undefined ? null : Number(back.ns - since),
    };
    if (back === undefined) this.result('ended', found);
    else this.result('killed', found, back.isFreed ? undefined : 'memory is no longer short');
  }

  /**
   * Other processes may be killed at the same place, so their number alone does not tell that the kernel has killed this
   * one. @param kernelToo whether the kernel has killed any process there; null: unknown
   */
  #exitedUnsignalled(kernelToo: boolean | null): void {
    const { victim, fired } = this.choice;
    const byKernel = kernelToo === false ? false : (this.#context.machine.killedByKernel?.(victim.target) ?? null);
    if (byKernel === true) {
      this.result('kernel_first', { kernel_killed_too: true });
      return;
    }
    const when = this.#hasAsked ? 'after it was asked' : 'before it was signalled';
    const where = fired.cgroup ? `in ${fired.cgroup.path}` : 'on this machine';
    const other = `${byKernel === null ? 'a' : 'another'} process ${where}`;
    const meanwhile = kernelToo ? `, and the kernel has killed ${other} meanwhile` : '';
    this.result('recovered', { kernel_killed_too: kernelToo }, `exited ${when}${meanwhile}`);
  }

  /** The victim is gone, and memory is still short. */
  #noteDisappointment(): void {
    const { policy, machine } = this.#context;
    const { fired, victim } = this.choice;
    const { rss_bytes, swap_bytes } = victim.target;
    const freed = this.measured.freedBytes();
    if (freed === null || freed >= LEAST_FREED * (rss_bytes + swap_bytes)) return;
    policy.disappointed(placeOf(fired), machine.levels().mono_ms);
  }

  #figures(): Partial<GuardResult> {
    return {
      freed_bytes: this.measured.freedBytes(),
      trigger_to_signal_ns: this.#signalNs === undefined ? null : Number(this.#signalNs - this.#triggerNs),
      mrelease: this.mrelease,
    };
  }
}
