/** The options of `oomscope pressure`, and the options of the monitor that are made from them. */

import { raisedLevels } from '../../../model/level.ts';
import type { MemoryWatchOptions } from '../../../pressure/memory-watch.ts';
import { defaultWindows, type PressureWindowOptions } from '../../../pressure/options.ts';
import { profileNames } from '../../../pressure/profile.ts';
import type { ReclaimOrder } from '../../../pressure/reclaim.ts';
import { liveOptions } from '../../verb/live.ts';
import {
  byDefault,
  duration,
  flag,
  type Option,
  oneOf,
  several,
  size,
  usage,
  type Values,
} from '../../verb/options.ts';

const DEFAULT_STALL_MS = 100;

export const options = {
  cgroup: several(cgroup('GLOB', 'only these memory cgroups and those below them')),
  wait: flag('wait for a cgroup of --cgroup that does not exist yet or was removed'),
  profile: byDefault(
    'default',
    oneOf(
      'PROFILE',
      'when to report that memory is short: fast reports each change of the raw levels; default and calm report a shortage only if it lasts and memory is really short, or if a limit is about to be reached',
      profileNames,
    ),
  ),
  level: oneOf(
    'LEVEL',
    'only report changes to this level or a higher one, and the end of such a period; with critical, only countdowns that are near their end',
    raisedLevels,
  ),
  stall: byDefault(
    '100ms',
    stall('TIME', 'report each stall of a task that lasts at least this long; 0: all stalls; off: none'),
  ),
  window: byDefault(
    '10ms,100ms,1s',
    windows('TIMES', 'measure the share of stalled time over these windows, one to three, the shortest first'),
  ),
  psi: flag(
    'derive the levels from the kernel’s PSI files; this needs no privilege, but levels come later and without causes',
  ),
  reclaim: several(
    order('CGROUP=SIZE', 'at level critical, reclaim this much memory from this cgroup by memory.reclaim (cgroup v2)'),
  ),
  ...liveOptions,
};

export type Given = Values<typeof options>;

/** @throws OomscopeError USAGE: options that contradict each other */
export function watchOptions({ cgroup, profile, psi, stall, window, reclaim }: Given): MemoryWatchOptions {
  const common = { cgroups: cgroup, reclaim, ...(profile && { profile }) };
  if (!psi) {
    // Some options work only with BPF. If BPF fails, the user gets the reason, because PSI cannot replace it.
    const needed = stall !== undefined || window !== undefined;
    const stallMs = stall === undefined ? DEFAULT_STALL_MS : stall.ms;
    const pressure = { stallMs, ...(window && { windows: window.map(windowOf) }) };
    return { ...common, source: needed ? 'bpf' : 'best', pressure };
  }
  if (stall !== undefined)
    throw usage('--stall: the kernel’s PSI files do not report single stalls: leave --psi or --stall out.');
  if (window === undefined) return { ...common, source: 'psi' };
  const [ms = 0] = window;
  if (window.length > 1 || ms < 500) {
    throw usage(
      `--window: with --psi expected one window of 500ms to 10s, got ${window.map((each) => `${each}ms`).join(',')}.`,
    );
  }
  return { ...common, source: 'psi', intervalMs: ms };
}

/** A window of this length. It has the same thresholds as the default window with the nearest length. */
function windowOf(ms: number): PressureWindowOptions {
  const distance = (window: PressureWindowOptions) => Math.abs(Math.log(window.ms / ms));
  const nearest = defaultWindows.reduce((best, window) => (distance(window) < distance(best) ? window : best));
  return { ...nearest, ms };
}

function cgroup(value: string, help: string): Option<string> {
  return {
    ...{ value, help },
    parse: (given, name) => {
      if (/[*?]/.test(given)) return given;
      const path = given.replace(/\/+$/, '');
      if (path.startsWith('/') && !path.includes('//')) return path;
      throw usage(
        `${name}: expected a path below the mount point of the memory cgroups, such as /system.slice, or a pattern with * or ?, got "${given}".`,
      );
    },
  };
}

function stall(value: string, help: string): Option<{ ms: number | null }> {
  const time = duration(value, help);
  return {
    ...{ value, help },
    parse: (given, name) => {
      if (given === 'off') return { ms: null };
      if (given === '0') return { ms: 0 };
      const ms = time.parse(given, name);
      if (ms > 3_600_000) throw usage(`${name}: expected at most 1h, got "${given}".`);
      return { ms };
    },
  };
}

function windows(value: string, help: string): Option<number[]> {
  const time = duration(value, help);
  return {
    ...{ value, help },
    parse: (given, name) => {
      const parts = given.split(',').map((part) => time.parse(part, name));
      if (parts.length > 3) throw usage(`${name}: expected one to three times, got ${parts.length}: "${given}".`);
      if (parts.some((ms, i) => ms <= (parts[i - 1] ?? 0))) {
        throw usage(`${name}: expected the shortest first, such as 10ms,100ms,1s, got "${given}".`);
      }
      if (parts.every((ms) => ms >= 2 && ms <= 10_000)) return parts;
      throw usage(`${name}: expected 2ms to 10s, or 500ms to 10s with --psi, got "${given}".`);
    },
  };
}

function order(value: string, help: string): Option<ReclaimOrder> {
  const bytes = size('SIZE', help);
  return {
    ...{ value, help },
    parse: (given, name) => {
      const at = given.lastIndexOf('=');
      if (at < 1 || !given.startsWith('/')) {
        throw usage(`${name}: expected a cgroup and a size, such as /batch.slice=512M, got "${given}".`);
      }
      return { cgroup: given.slice(0, at).replace(/(.)\/+$/, '$1'), bytes: bytes.parse(given.slice(at + 1), name) };
    },
  };
}
