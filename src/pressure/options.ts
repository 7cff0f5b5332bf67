import type { PressureConfig } from '../bpf/load/pressure-loader.ts';
import { type PressureBackend, pressureBackends } from '../bpf/load/pressure-variants.ts';
import { OomscopeError } from '../model/error.ts';
import { raisedLevels } from '../model/level.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';

/** The shares at which levels begin: more than 0, at most 1. A window never reaches a level without a share. */
export interface LevelShares {
  /** The share at which `low` begins. */
  low?: number;
  /** The share at which `medium` begins. */
  medium?: number;
  /** The share at which `critical` begins. */
  critical?: number;
}

/** A sliding window, and the shares at which its levels begin. */
export interface PressureWindowOptions {
  /** The length of the window in milliseconds, 2 to 10,000. */
  ms: number;
  /** Thresholds for the share of time in which at least one task was stalled. */
  some?: LevelShares;
  /** Thresholds for the share of time in which tasks were stalled and no task could run. */
  full?: LevelShares;
}

/** Options of `openPressure()`. */
export interface PressureOptions {
  /** One to three sliding windows, the shortest first. By default `defaultWindows`. */
  windows?: readonly PressureWindowOptions[];
  /**
   * Reports stalls of at least this many milliseconds, once while the stall lasts and once when it ends. 0: every
   * stall, when it begins and when it ends. null: no stalls. Default 10.
   */
  stallMs?: number | null;
  /**
   * Adds the kernel stack where a stall began. It costs the stalled task about 2 µs, and this process 15 MB. Default
   * false.
   */
  stack?: boolean;
  /** A level ends when the share is below (1 - `hysteresis`) × its threshold. 0 to 0.9. Default 0.3. */
  hysteresis?: number;
  /** The time in milliseconds for which a higher level must hold before it is reported. Default 0. */
  sustainMs?: number;
  /** The time in milliseconds for which a lower level must hold before it is reported. Default 1000. */
  coolDownMs?: number;
  /**
   * Reports the countdown to the OOM killer from this many fruitless rounds of reclaim on, 1 to 16. null: never.
   * Default 4.
   */
  countdown?: number | null;
  /** Globs for paths of cgroups; cgroups below a match are included. Default: all. The system is always reported. */
  cgroups?: readonly string[];
  /** The size of the BPF ring buffer in bytes: a power of two, at least 65,536. Default 262,144. */
  ringBytes?: number;
  /** For tests: uses this backend. Default: the best backend that the kernel supports. */
  backend?: PressureBackend;
  /** Closes the monitor when the signal is aborted. */
  signal?: AbortSignal;
}

/** Short windows quickly report tasks that make no progress; long windows detect pressure that is low but constant. */
export const defaultWindows: readonly PressureWindowOptions[] = [
  { ms: 10, some: { low: 0.5, medium: 0.9 } },
  { ms: 100, some: { low: 0.3, medium: 0.6, critical: 0.9 }, full: { critical: 0.6 } },
  { ms: 1000, some: { low: 0.1, medium: 0.3, critical: 0.6 }, full: { medium: 0.2, critical: 0.4 } },
];

const names: OptionNames<PressureOptions> = {
  windows: true,
  stallMs: true,
  stack: true,
  hysteresis: true,
  sustainMs: true,
  coolDownMs: true,
  countdown: true,
  cgroups: true,
  ringBytes: true,
  backend: true,
  signal: true,
};

/**
 * Checks and converts the options. @throws OomscopeError USAGE: names the option, the possible values and the given one
 */
export function pressureConfig(options: PressureOptions): PressureConfig {
  refuseUnknownOptions('openPressure()', options, names);
  const windows = options.windows ?? defaultWindows;
  checkWindows(windows);
  const ringBytes = options.ringBytes ?? 262_144;
  if (!Number.isInteger(Math.log2(ringBytes)) || ringBytes < 65_536) {
    throw new OomscopeError('USAGE', `ringBytes: expected a power of two, at least 65536, got ${ringBytes}.`);
  }
  if (options.backend !== undefined && !pressureBackends.includes(options.backend)) {
    throw new OomscopeError('USAGE', `backend: expected ${pressureBackends.join(', ')}, got ${options.backend}.`);
  }
  const stallMs = options.stallMs === undefined ? 10 : options.stallMs;
  const countdown = options.countdown === undefined ? 4 : options.countdown;
  const ns = (name: string, ms: number) => Math.round(within(name, ms, 0, 3_600_000) * 1e6);
  return {
    ringBytes,
    windows: windows.map(({ ms, some, full }) => ({ ns: Math.round(ms * 1e6), some: ppm(some), full: ppm(full) })),
    stallMinNs: stallMs === null ? undefined : ns('stallMs', stallMs),
    stack: options.stack ?? false,
    fallPermille: Math.round((1 - within('hysteresis', options.hysteresis ?? 0.3, 0, 0.9)) * 1000),
    sustainNs: ns('sustainMs', options.sustainMs ?? 0),
    coolDownNs: ns('coolDownMs', options.coolDownMs ?? 1000),
    countdownFrom: countdown === null ? 0 : Math.round(within('countdown', countdown, 1, 16)),
    backend: options.backend,
  };
}

function checkWindows(windows: readonly PressureWindowOptions[]): void {
  if (windows.length < 1 || windows.length > 3) {
    throw new OomscopeError('USAGE', `windows: expected one to three, got ${windows.length}.`);
  }
  windows.forEach(({ ms, some, full }, i) => {
    within(`windows[${i}].ms`, ms, 2, 10_000);
    if (i > 0 && ms <= (windows[i - 1]?.ms ?? 0)) {
      const got = windows.map((window) => window.ms).join(', ');
      throw new OomscopeError('USAGE', `windows: expected the shortest first, got ${got}.`);
    }
    checkShares(`windows[${i}].some`, some);
    checkShares(`windows[${i}].full`, full);
  });
}

function checkShares(name: string, shares: LevelShares | undefined): void {
  let below = 0;
  for (const level of raisedLevels) {
    const share = shares?.[level];
    if (share === undefined) continue;
    if (!(share > 0 && share <= 1)) {
      throw new OomscopeError('USAGE', `${name}.${level}: expected a share of more than 0, at most 1, got ${share}.`);
    }
    if (share < below) {
      throw new OomscopeError(
        'USAGE',
        `${name}.${level}: expected no less than the level below it, ${below}, got ${share}.`,
      );
    }
    below = share;
  }
}

const ppm = (shares: LevelShares | undefined) =>
  raisedLevels.map((level) => {
    const share = shares?.[level];
    return share === undefined ? undefined : Math.max(1, Math.round(share * 1e6));
  });

function within(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new OomscopeError('USAGE', `${name}: expected ${least} to ${most}, got ${value}.`);
}
