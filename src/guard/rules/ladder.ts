/**
 * The ladder: decides which of the rule's steps comes next while memory is short and the victim is alive. It takes no
 * step itself.
 *
 * A step is taken when the waiting times of the steps before it are over, or earlier when all detectors of its `atOnce`
 * are true.
 */
import { steps } from '../steps/steps.ts';
import { DYING_PATIENCE_MS } from './decide.ts';
import { ObservedClock } from './observed-clock.ts';
import type { Detector, Step } from './rule.ts';

/** The state of the shortage and of the victim in the last sample. */
export interface Situation {
  /** The time of the sample. */
  nowMs: number;
  /** The state of the victim, from its pidfd and from /proc. */
  victim: 'alive' | 'dying' | 'gone';
  /** Whether memory is still short: all detectors of the rule are true, regardless of how long. */
  short: boolean;
  holds: (detectors: readonly Detector[]) => boolean;
}

export type Move =
  | { kind: 'take'; step: Step }
  /** The step's `if` is false, so the step is passed over. */
  | { kind: 'pass'; step: Step }
  /** Sample again after at most this many milliseconds. */
  | { kind: 'wait'; ms: number }
  /** `stuck`: the victim was sent SIGKILL and has not exited within the step's waiting time. */
  | { kind: 'end'; outcome: 'gone' | 'recovered' | 'survived' | 'stuck' };

/** Longest interval between samples during the waiting time of a step (ms). */
const SAMPLE_MS = 20;
/** Longest interval between samples while the victim is dying (ms). It is longer because the pidfd reports the exit. */
const DYING_SAMPLE_MS = 200;

export class Ladder {
  readonly #steps: readonly Step[];
  readonly #clock: ObservedClock;
  #next = 0;
  /** The end of the current step's waiting time, by `#clock` (ms). */
  #until = 0;
  #dyingSince: number | undefined;
  /** The strongest signal that was sent to the victim; undefined: none was sent. */
  #sent: 'SIGTERM' | 'SIGKILL' | undefined;

  /** @param mostGapMs the longest interval between two samples that counts in full: see ObservedClock */
  constructor(steps: readonly Step[], mostGapMs?: number) {
    this.#steps = steps;
    this.#clock = new ObservedClock(mostGapMs);
  }

  /** Ends the waiting time of the current step, so that the next step can be taken. */
  hurry(): void {
    this.#until = Math.min(this.#until, this.#clock.ms);
  }

  move(situation: Situation): Move {
    const { victim } = situation;
    const nowMs = this.#clock.advance(situation.nowMs);
    if (victim === 'gone') return { kind: 'end', outcome: 'gone' };
    if (victim === 'dying') {
      this.#dyingSince ??= nowMs;
      const left = this.#dyingSince + DYING_PATIENCE_MS - nowMs;
      return left > 0 ? { kind: 'wait', ms: Math.min(left, DYING_SAMPLE_MS) } : { kind: 'end', outcome: 'stuck' };
    }
    // After SIGTERM the victim is expected to exit. When it frees enough memory instead, it is not sent SIGKILL.
    if (!situation.short && this.#sent === undefined) return { kind: 'end', outcome: 'recovered' };

    const early = this.#steps.findIndex(
      (step, i) => i >= this.#next && step.atOnce.length > 0 && situation.holds(step.atOnce),
    );
    if (early >= 0) this.#next = early;
    else if (nowMs < this.#until) return { kind: 'wait', ms: Math.min(this.#until - nowMs, SAMPLE_MS) };

    const step = this.#steps[this.#next];
    if (!step || !situation.short) return { kind: 'end', outcome: this.#sent === 'SIGKILL' ? 'stuck' : 'survived' };
    this.#next++;
    if (!situation.holds(step.if)) return { kind: 'pass', step };
    this.#until = nowMs + step.waitMs;
    this.#sent = steps[step.do].signal ?? this.#sent;
    return { kind: 'take', step };
  }
}
