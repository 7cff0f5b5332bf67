import { levelNames } from '../model/level.ts';
import type { PressureLevelName } from '../model/pressure.ts';

/** Where levels begin and end, and for how long a value must hold before the level follows it. */
export interface LevelOptions {
  /** The values at which `low`, `medium` and `critical` begin. They must rise. */
  thresholds: readonly [low: number, medium: number, critical: number];
  /** A level ends when the value is this far below its threshold. */
  hysteresis: number;
  /** How many milliseconds a value must be above or below before the level follows. */
  sustainMs: number;
}

/**
 * Turns a value that goes up and down into a level that holds still. Each level is a switch that goes on at its threshold and
 * off some way below it, both only after the value has held for `sustainMs`.
 */
export class LevelTracker {
  level: PressureLevelName = 'normal';
  readonly #options: LevelOptions;
  readonly #on = [false, false, false];
  /** Since when the value asks for the other position of each switch. */
  readonly #since: (number | undefined)[] = [undefined, undefined, undefined];

  constructor(options: LevelOptions) {
    this.#options = options;
  }

  /** @param nowMs of any clock that does not jump. @returns the level now */
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
