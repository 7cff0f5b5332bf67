/**
 * One target that is armed, or was: what arming.ts hands out.
 */
import type { Signalled } from '../../native/addon.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';

export interface ArmCondition {
  /** The id of the memory cgroup whose limit is watched (inode of its directory), or the whole system. */
  domain: bigint | 'system';
  /**
   * Reclaims in a row, by one task, that gave nothing. The kernel kills after 16 for the system, for a cgroup after some 35
   * (16 for each of two sizes of charge).
   */
  fruitlessRounds: number;
  signal: 'SIGKILL' | 'SIGTERM';
}

/** "none": not wished for, or it was as high already. */
export type Adjustment = 'raised' | 'none' | { refused: string };

/** Of the one that signals, and of the one that releases what the kernel has killed. */
export type PollerIds = readonly [] | readonly [signals: number] | readonly [signals: number, releases: number];

interface Arms {
  handle: ProcessHandle;
  condition: ArmCondition;
  slot: number;
  token: bigint;
  pollerIds: PollerIds;
  adjustment: Adjustment;
}

/** A target that is armed, or was. */
export class Armed {
  readonly handle: ProcessHandle;
  readonly condition: ArmCondition;
  /** Of its oom_score_adj. */
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
  #told = false;
  #state: 'armed' | 'fired' | 'disarmed' = 'armed';

  /** @internal */
  constructor(
    { handle, condition, slot, token, pollerIds, adjustment }: Arms,
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
   * Puts its oom_score_adj back, too; so also to be called once it has fired and outlived that. What was sent just before
   * is still told by `fired$`.
   *
   * @returns whether it was armed
   */
  disarm(): boolean {
    const wasArmed = this.isArmed;
    if (this.#state !== 'disarmed') this.#act.disarm();
    this.#state = 'disarmed';
    return wasArmed;
  }

  /** @internal It has fired. @returns false: that is known */
  tell(): boolean {
    if (this.isArmed) this.#state = 'fired';
    const first = !this.#told;
    this.#told = true;
    return first;
  }
}
