/**
 * One attempt on one victim: the plan, the first signal, and the result. A response that climbs a ladder and a target that
 * was armed both go through here, so that both are announced, measured and counted in the same way.
 */
import type { GuardActionOutcome, GuardResult, GuardStep } from '../../model/guard.ts';
import type { Sample } from '../../model/sample.ts';
import type { Decision, Policy } from '../rules/decide.ts';
import type { Announcer, Plan } from './announce.ts';
import type { MachineView } from './machine-view.ts';
import { Measurement } from './measurement.ts';

export type Choice = Extract<Decision, { kind: 'kill' }>;

export interface AttemptContext {
  machine: MachineView;
  policy: Policy;
  announce: Announcer;
  /** Aborts what the attempt waits for. */
  signal: AbortSignal;
}

export class Attempt {
  readonly choice: Choice;
  readonly plan: Plan;
  readonly measured: Measurement;
  /** What process_mrelease(2) returned. */
  mrelease: string | null = null;
  readonly #context: AttemptContext;
  readonly #triggerNs: bigint;
  #signalNs: bigint | undefined;

  /**
   * Announces the plan.
   *
   * @param sample the sample that the choice was made on
   * @param triggerNs CLOCK_MONOTONIC of the reading that fired the rule
   * @param kernelKills how many processes the kernel had killed by then; by default: the count of now
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

  /** A signal was sent. The first one counts for the figures. */
  signalled(atNs: bigint = process.hrtime.bigint()): void {
    this.#signalNs ??= atNs;
  }

  /** SIGKILL was sent: the attempt counts for the budget of kills. @param nowMs the clock of samples */
  killed(nowMs: number): void {
    this.#context.policy.killed(nowMs);
  }

  action(step: GuardStep, outcome: GuardActionOutcome, detail: string | null): void {
    this.#context.announce.action(this.plan, step, outcome, detail, this.#triggerNs);
  }

  /** @param why the reason for the message, where the outcome alone does not say it */
  result(outcome: GuardResult['outcome'], found: Partial<GuardResult> = {}, why?: string): void {
    this.#context.announce.result(this.plan, outcome, { ...this.#figures(), ...found }, why);
  }

  /**
   * The victim has exited: waits for its memory, and announces the result.
   *
   * @param exitNs CLOCK_MONOTONIC of the last exit @param releasing settles when process_mrelease() has returned
   */
  async exited(exitNs: bigint, releasing?: Promise<void>): Promise<void> {
    const back = await this.measured.memoryBack(this.#context.signal);
    await releasing;
    const kernelToo = this.measured.kernelKilled();
    const since = this.#signalNs;
    if (since === undefined) {
      const found = { kernel_killed_too: kernelToo };
      if (kernelToo) this.result('kernel_first', found);
      else this.result('recovered', found, 'exited before it was signalled');
      return;
    }
    this.result(back === undefined ? 'ended' : 'killed', {
      kernel_killed_too: kernelToo,
      signal_to_exit_ns: Number(exitNs - since),
      signal_to_memory_back_ns: back === undefined ? null : Number(back - since),
    });
  }

  #figures(): Partial<GuardResult> {
    return {
      freed_bytes: this.measured.freedBytes(),
      trigger_to_signal_ns: this.#signalNs === undefined ? null : Number(this.#signalNs - this.#triggerNs),
      mrelease: this.mrelease,
    };
  }
}
