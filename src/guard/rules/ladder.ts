/**
 * The ladder: decides which step comes next while memory is short and the victim lives. It acts on nothing itself.
 *
 * A step is taken when those before it have had their time, or before its turn when its `atOnce` holds: escalation by time
 * and by level.
 */
import { steps } from '../steps/steps.ts';
import type { Detector, Step } from './rule.ts';

/** The shortage and the victim, as they were last sampled. */
export interface Situation {
  nowMs: number;
  /** By its pidfd and its state in /proc. */
  victim: 'alive' | 'dying' | 'gone';
  /** The rule still fires, its detectors' times left aside. */
  short: boolean;
  holds: (detectors: readonly Detector[]) => boolean;
}

export type Move =
  | { kind: 'take'; step: Step }
  /** Its condition does not hold. */
  | { kind: 'pass'; step: Step }
  /** Sample again after at most this many milliseconds. */
  | { kind: 'wait'; ms: number }
  /** `stuck`: the victim was sent SIGKILL, had its time, and has not died. */
  | { kind: 'end'; outcome: 'gone' | 'recovered' | 'survived' | 'stuck' };

/** A victim that is dying for longer than this counts as stuck. */
const DYING_PATIENCE_MS = 10_000;
/** Longest interval between samples while a step has its time. */
const SAMPLE_MS = 20;
/** The same while the victim is dying: its pidfd reports the exit. */
const DYING_SAMPLE_MS = 200;

export class Ladder {
  readonly #steps: readonly Step[];
  #next = 0;
  #until = 0;
  #dyingSince: number | undefined;
  /** The hardest signal that was sent to the victim. */
  #sent: 'SIGTERM' | 'SIGKILL' | undefined;

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** The step has ended: the next one need not wait. */
  hurry(nowMs: number): void {
    this.#until = Math.min(this.#until, nowMs);
  }

  move(situation: Situation): Move {
    const { nowMs, victim } = situation;
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
