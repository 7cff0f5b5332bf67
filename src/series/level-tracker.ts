import { levelNames } from '../model/level.ts';
import type { PressureLevelName } from '../model/pressure.ts';

/**
 * The thresholds at which levels begin and end, and how long a value must stay beyond them before the level changes.
 */
export interface LevelOptions {
  /** The values at which `low`, `medium` and `critical` begin, in ascending order. */
  thresholds: readonly [low: number, medium: number, critical: number];
  /** A level ends when the value is this far below its threshold. */
  hysteresis: number;
  /** The time in milliseconds for which a value must stay above or below a threshold before the level changes. */
  sustainMs: number;
}

/**
 * Converts a fluctuating value to a stable level. A level begins when the value has been at its threshold or above for
 * `sustainMs`, and ends when the value has been below the threshold minus the hysteresis for `sustainMs`.
 */
export class LevelTracker {
  level: PressureLevelName = 'normal';
  readonly #options: LevelOptions;
  readonly #on = [false, false, false];
  /** For each level: since when the value has been on the other side of the threshold. */
  readonly #since: (number | undefined)[] = [undefined, undefined, undefined];

  constructor(options: LevelOptions) {
    this.#options = options;
  }

  /** Adds a value. @param nowMs the time of any monotonic clock. @returns the level after this value */
  next(nowMs: number, value: number): PressureLevelName {
    const { thresholds, hysteresis, sustainMs } = this.#options;
    for (const [i, threshold] of thresholds.entries()) {
      const on = this.#on[i] as boolean;
      const wanted = on ? value >= threshold - hysteresis : value >= threshold;
      if (wanted === on) {
        this.#since[i] = undefined;
        continue;
      }
      this.#since[i] ??= nowMs;
      if (nowMs - this.#since[i] < sustainMs) continue;
      this.#on[i] = wanted;
      this.#since[i] = undefined;
    }
    this.level = levelNames[this.#on.lastIndexOf(true) + 1] as PressureLevelName;
    return this.level;
  }
}
