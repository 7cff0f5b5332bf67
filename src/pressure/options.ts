import type { PressureConfig } from '../bpf/load/pressure-loader.ts';
import { type PressureBackend, pressureBackends } from '../bpf/load/pressure-variants.ts';
import { OomscopeError } from '../model/error.ts';
import { raisedLevels } from '../model/level.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';

/** Shares of a window, more than 0 to 1, at which a level begins. One that is left out is not reached by this window. */
export interface LevelShares {
  /** Where `low` begins. */
  low?: number;
  /** Where `medium` begins. */
  medium?: number;
  /** Where `critical` begins. */
  critical?: number;
}

/** A sliding window, and the shares at which its levels begin. */
export interface PressureWindowOptions {
  /** Length, 2 to 10,000 milliseconds. */
  ms: number;
  /** Of the time in which some task was stalled. */
  some?: LevelShares;
  /** Of the time in which all that could have run were. */
  full?: LevelShares;
}

/** Options of `openPressure()`. */
export interface PressureOptions {
  /** One to three sliding windows, the shortest first. By default `defaultWindows`. */
  windows?: readonly PressureWindowOptions[];
  /**
   * Report a stall that lasts so many milliseconds, while it lasts and when it ends; 0: each one, when it begins and when it
   * ends. Default 10. null: none.
   */
  stallMs?: number | null;
  /** With the kernel stack of where a stall began. Costs the stalled task some 2 µs, and this process 15 MB. */
  stack?: boolean;
  /** A level falls when the share is this part below its threshold. 0 to 0.9, default 0.3. */
  hysteresis?: number;
  /** A higher level must hold so long before it is said. Default 0: the windows are patient enough. */
  sustainMs?: number;
  /** A lower level must hold so long before it is said. Default 1000. */
  coolDownMs?: number;
  /** Say the countdown to the OOM killer from so many fruitless rounds on, 1 to 16. Default 4; null: never. */
  countdown?: number | null;
  /** Only stalls, countdowns and levels of these memory cgroups and of what is below them: globs. And the system's levels. */
  cgroups?: readonly string[];
  /** Size of the kernel's ring for pressure, a power of two, at least 65,536. Default 262,144. */
  ringBytes?: number;
  /** Use this backend, for tests. By default the best that the kernel has. */
  backend?: PressureBackend;
  /** Closes the monitor when it fires. */
  signal?: AbortSignal;
}

/** Short windows say quickly that all stands still, long ones that it limps. */
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

/** @throws OomscopeError USAGE, saying which option, what is possible and what came */
export function pressureConfig(options: PressureOptions): PressureConfig {
  refuseUnknownOptions('openPressure()', options, names);
  const windows = options.windows ?? defaultWindows;
  if (windows.length < 1 || windows.length > 3) {
    throw new OomscopeError('USAGE', `windows: expected one to three, got ${windows.length}.`);
  }
  windows.forEach(({ ms, some, full }, i) => {
    within(`windows[${i}].ms`, ms, 2, 10_000);
    if (i > 0 && ms <= (windows[i - 1]?.ms ?? 0)) {
      throw new OomscopeError(
        'USAGE',
        `windows: expected the shortest first, got ${windows.map((w) => w.ms).join(', ')}.`,
      );
    }
    checkShares(`windows[${i}].some`, some);
    checkShares(`windows[${i}].full`, full);
  });
  const ringBytes = options.ringBytes ?? 262_144;
  if (!Number.isInteger(Math.log2(ringBytes)) || ringBytes < 65_536) {
    throw new OomscopeError('USAGE', `ringBytes: expected a power of two, at least 65536, got ${ringBytes}.`);
  }
  if (options.backend !== undefined && !pressureBackends.includes(options.backend)) {
    throw new OomscopeError('USAGE', `backend: expected ${pressureBackends.join(', ')}, got ${options.backend}.`);
  }
  const stallMs = options.stallMs === undefined ? 10 : options.stallMs;
  const countdown = options.countdown === undefined ? 4 : options.countdown;
  return {
    ringBytes,
    windows: windows.map(({ ms, some, full }) => ({ ns: Math.round(ms * 1e6), some: ppm(some), full: ppm(full) })),
    stallMinNs: stallMs === null ? undefined : Math.round(within('stallMs', stallMs, 0, 3_600_000) * 1e6),
    stack: options.stack ?? false,
    fallPermille: Math.round((1 - within('hysteresis', options.hysteresis ?? 0.3, 0, 0.9)) * 1000),
    sustainNs: Math.round(within('sustainMs', options.sustainMs ?? 0, 0, 3_600_000) * 1e6),
    coolDownNs: Math.round(within('coolDownMs', options.coolDownMs ?? 1000, 0, 3_600_000) * 1e6),
    countdownFrom: countdown === null ? 0 : Math.round(within('countdown', countdown, 1, 16)),
    backend: options.backend,
  };
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
