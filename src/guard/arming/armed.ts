/** One target that is armed, or was: what `Arming` hands out. */
import { readFileSync } from 'node:fs';
import type { Signalled } from '../../native/addon.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';

export interface ArmCondition {
  /** The id of the memory cgroup whose limit is watched (inode of its directory), or the whole system. */
  domain: bigint | 'system';
  /**
   * Reclaims in a row, by one task, that freed nothing. The kernel kills after 16 for the system, for a cgroup after some 35
   * (16 for each of two sizes of charge).
   */
  fruitlessRounds: number;
  signal: 'SIGKILL' | 'SIGTERM';
}

/** What was done to the target's oom_score_adj. `none`: not asked for, or it was as high already. */
export type Adjustment = 'raised' | 'none' | { refused: string };

/** Of the poller's arming that signals, and of the one that releases the memory of a target that the kernel has killed. */
export type PollerIds = readonly [] | readonly [signals: number] | readonly [signals: number, releases: number];

interface ArmedOptions {
  handle: ProcessHandle;
  condition: ArmCondition;
  slot: number;
  token: bigint;
  pollerIds: PollerIds;
  adjustment: Adjustment;
}

export class Armed {
  readonly handle: ProcessHandle;
  readonly condition: ArmCondition;
  readonly adjustment: Adjustment;
  /** @internal */
  readonly slot: number;
  /** @internal */
  readonly token: bigint;
  /** @internal */
  readonly pollerIds: PollerIds;
  /** @internal What the poller thread did. */
  signalled: Signalled | undefined;
  readonly #act: { refresh: (ms: number) => void; disarm: () => void };
  #hasFired = false;
  #state: 'armed' | 'fired' | 'disarmed' = 'armed';

  /** @internal */
  constructor(
    { handle, condition, slot, token, pollerIds, adjustment }: ArmedOptions,
    act: { refresh: (ms: number) => void; disarm: () => void },
  ) {
    this.handle = handle;
    this.condition = condition;
    this.slot = slot;
    this.token = token;
    this.pollerIds = pollerIds;
    this.adjustment = adjustment;
    this.#act = act;
  }

  get isArmed(): boolean {
    return this.#state === 'armed';
  }

  /** @returns false: it has fired, or was disarmed */
  refresh(expiresInMs: number): boolean {
    if (this.isArmed) this.#act.refresh(expiresInMs);
    return this.isArmed;
  }

  /**
   * Also restores the target's oom_score_adj: to be called even after it has fired and survived. `fired$` still emits what
   * was sent just before.
   *
   * @returns whether it was armed
   */
  disarm(): boolean {
    const wasArmed = this.isArmed;
    if (this.#state !== 'disarmed') this.#act.disarm();
    this.#state = 'disarmed';
    return wasArmed;
  }

  /** @internal @returns false: it has fired before */
  fire(): boolean {
    if (this.isArmed) this.#state = 'fired';
    const first = !this.#hasFired;
    this.#hasFired = true;
    return first;
  }
}

/**
 * Whether a process has started within the present clock tick. A target must be older than that: a process that reuses its
 * pid then has a different start tick, so that the program in the kernel can tell the two apart.
 */
export function hasJustStarted({ startTicks }: Pick<ProcessHandle, 'startTicks'>): boolean {
  const ticks = Math.floor(Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 100);
  return startTicks >= ticks;
}
