/**
 * Reads the kernel's PSI files (averages and totals), and registers PSI triggers in the kernel: for the system, and for
 * any cgroup of the v2 hierarchy. Cgroups of v1 have no PSI, but a v2 hierarchy may be mounted beside v1.
 */

import { constants } from 'node:os';
import { join } from 'node:path';
import { type Observable, Subject } from 'rxjs';
import { effectiveCapabilities } from '../linux/capabilities.ts';
import { cgroupMounts } from '../linux/memory-hierarchy.ts';
import { parsePressure } from '../linux/psi.ts';
import { readSmallFile } from '../linux/small-file.ts';
import { OomscopeError } from '../model/error.ts';
import type { PressureAverages } from '../model/events.ts';
import { loadNative, type PsiWatcher } from '../native/addon.ts';
import { errnoName } from '../native/errno.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';

/** The content of a pressure file. */
export interface PsiReading {
  /** The time in which at least one task was stalled. */
  some: PressureAverages;
  /** The time in which tasks were stalled and no task could run. */
  full: PressureAverages;
}

/**
 * Reads the averages and totals of memory pressure.
 *
 * @param cgroup a path below the mount point of cgroup v2. Default: the system
 * @returns undefined: the kernel has no PSI, PSI is switched off, or there is no such cgroup
 */
export function readPsi(cgroup?: string): PsiReading | undefined {
  const file = psiFile(cgroup);
  return (file && parsePressure(readSmallFile(file))) || undefined;
}

/** Options of `openPsiTrigger()`. */
export interface PsiTriggerOptions {
  /**
   * `some` counts the time in which at least one task was stalled; `full`, the time in which also no task could run.
   */
  kind: 'some' | 'full';
  /** The trigger fires after this much stalled time within a window. More than 0, at most `windowMs`. */
  stallMs: number;
  /** The length of the window: more than 0, at most 10,000. The kernel may require a longer window, see `used`. */
  windowMs: number;
  /** A path below the mount point of cgroup v2. Default: the system. */
  cgroup?: string;
}

/** A PSI trigger that is registered in the kernel. */
export interface PsiTrigger {
  /** The values that the kernel accepted. `adapted` says why they differ from the options. null: they do not differ. */
  readonly used: { kind: 'some' | 'full'; stallMs: number; windowMs: number; adapted: string | null };
  /**
   * Emits when the trigger fires, at most once per window. Hot. Completes on close() and when the cgroup is removed.
   */
  readonly fired$: Observable<{ mono_ns: string; reading: PsiReading | undefined }>;
  /** Removes the trigger. Idempotent. */
  close(): void;
}

/** Without privileges a window must be a multiple of this, the interval of PSI's averages (kernel/sched/psi.c). */
const UNPRIVILEGED_US = 2_000_000;
/** The shortest window before Linux 6.5. */
const OLD_LEAST_US = 500_000;
const MOST_US = 10_000_000;

/**
 * Asks the kernel to report when tasks were stalled on memory for `stallMs` within a window. Until close(), the trigger
 * keeps the process alive.
 *
 * @throws OomscopeError USAGE, PSI_UNAVAILABLE
 */
export function openPsiTrigger(options: PsiTriggerOptions): PsiTrigger {
  refuseUnknownOptions('openPsiTrigger()', options, { kind: true, stallMs: true, windowMs: true, cgroup: true });
  const { kind, stallMs, windowMs, cgroup } = options;
  const windowUs = Math.round(windowMs * 1000);
  const stallUs = Math.round(stallMs * 1000);
  if (!(windowUs > 0 && windowUs <= MOST_US)) {
    throw new OomscopeError('USAGE', `windowMs: expected more than 0, at most ${MOST_US / 1000}, got ${windowMs}.`);
  }
  if (!(stallUs > 0 && stallUs <= windowUs)) {
    throw new OomscopeError(
      'USAGE',
      `stallMs: expected more than 0, at most the window of ${windowMs}, got ${stallMs}.`,
    );
  }
  const file = psiFile(cgroup);
  if (file === undefined) throw unavailable('no cgroup v2 hierarchy is mounted');

  let refused = 0;
  for (const { window, why } of windows(windowUs)) {
    const stall = Math.max(1, Math.min(window, Math.round((stallUs * window) / windowUs)));
    const token = watcher().add(file, `${kind} ${stall} ${window}`);
    if (token > 0) {
      const adapted = window === windowUs ? null : why;
      return watch(token, cgroup, { kind, stallMs: stall / 1000, windowMs: window / 1000, adapted });
    }
    refused = token;
    // Only for these two errors can another window help.
    if (![constants.errno.EINVAL, constants.errno.EPERM].includes(-token)) break;
  }
  throw unavailable(`${file}: ${errnoName(refused)}`);
}

/**
 * The windows that the kernel may accept, the wanted window first. The caller scales the stalled time with the window.
 */
function windows(wanted: number): { window: number; why: string }[] {
  const privileged = effectiveCapabilities().has('CAP_SYS_RESOURCE');
  const multiple = Math.min(MOST_US, Math.max(1, Math.round(wanted / UNPRIVILEGED_US)) * UNPRIVILEGED_US);
  const without = { window: multiple, why: 'without CAP_SYS_RESOURCE windows are multiples of 2 s' };
  if (!privileged) return [without];
  const old = { window: Math.max(OLD_LEAST_US, wanted), why: 'before Linux 6.5 windows are 500 ms or longer' };
  return [{ window: wanted, why: '' }, old, without];
}

const triggers = new Map<number, { fire: (atNs: bigint) => void; end: () => void }>();
let shared: PsiWatcher | undefined;

function watcher(): PsiWatcher {
  shared ??= new (loadNative().PsiWatcher)((token, atNs, gone) => {
    const trigger = triggers.get(token);
    if (gone) trigger?.end();
    else trigger?.fire(atNs);
  });
  return shared;
}

function watch(token: number, cgroup: string | undefined, used: PsiTrigger['used']): PsiTrigger {
  const fired = new Subject<{ mono_ns: string; reading: PsiReading | undefined }>();
  const end = () => {
    if (!triggers.delete(token)) return;
    watcher().remove(token);
    fired.complete();
  };
  triggers.set(token, { fire: (atNs) => fired.next({ mono_ns: String(atNs), reading: readPsi(cgroup) }), end });
  return { used, fired$: fired.asObservable(), close: end };
}

/** undefined: no cgroup v2 hierarchy is mounted. */
function psiFile(cgroup: string | undefined): string | undefined {
  if (cgroup === undefined) return '/proc/pressure/memory';
  const { unified } = cgroupMounts();
  return unified && join(unified, join('/', cgroup), 'memory.pressure');
}

function unavailable(why: string): OomscopeError {
  return new OomscopeError(
    'PSI_UNAVAILABLE',
    `Cannot watch PSI: ${why}. It needs a kernel with CONFIG_PSI (and psi=1 on its command line where PSI is off by default), and cgroup v2 for cgroups.`,
  );
}
