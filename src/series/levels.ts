/**
 * From a share that goes up and down to levels that hold still: each level is a switch that goes on at its threshold and off
 * some way below it, both only after it has been so for a while.
 */
import { levelNames } from '../model/level.ts';
import type { PressureLevelName } from '../model/pressure.ts';

export interface LevelOptions {
  /** Where `low`, `medium` and `critical` begin. Rising. */
  thresholds: readonly [low: number, medium: number, critical: number];
  /** How far below its threshold a level ends. */
  hysteresis: number;
  /** For how long it must be above, or below, before the level follows. */
  sustainMs: number;
}

export class Levels {
  level: PressureLevelName = 'normal';
  readonly #options: LevelOptions;
  readonly #on = [false, false, false];
  /** Since when each switch should be thrown. */
  readonly #since: (number | undefined)[] = [undefined, undefined, undefined];

  constructor(options: LevelOptions) {
    this.#options = options;
  }

  /** @returns the level now */
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
