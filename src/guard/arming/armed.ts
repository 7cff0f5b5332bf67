/** One target that is or was armed, as `Arming.arm()` returns it. */
import { uptimeTicks } from '../../linux/process-reader.ts';
import type { Signalled } from '../../native/armed-target.ts';
import type { ProcessHandle, ProcessIdentity } from '../../process/process-handle.ts';

export interface ArmCondition {
  /** The memory that is watched: the id of a memory cgroup (the inode of its directory), or the whole system. */
  domain: bigint | 'system';
  /**
   * The target is signalled after this many reclaims in a row, by one task, that freed nothing. The kernel's OOM killer
   * kills after 16 of them for the system, and after about 35 for a cgroup (16 for each of two sizes of a charge,
   * mm/memcontrol.c).
   */
  fruitlessRounds: number;
  signal: 'SIGKILL' | 'SIGTERM';
  /**
   * The target is signalled only while it holds at least this much memory and swap. Default: however little it holds. The
   * backend `typescript` does not check this.
   */
  leastBytes?: number;
}

/**
 * What was done to the target's oom_score_adj. `none`: the caller did not ask for a raise, or the value was already as
 * high.
 */
export type Adjustment = 'raised' | 'none' | { refused: string };

/**
 * Ids of a target's entries in the poller thread: one that signals the target, and one that releases its memory after
 * the kernel's program has killed it.
 */
export type PollerIds = readonly [] | readonly [signals: number] | readonly [signals: number, releases: number];

interface ArmedOptions {
  handle: ProcessHandle;
  condition: ArmCondition;
  slot: number;
  token: bigint;
  pollerIds: PollerIds;
  adjustment: Adjustment;
}

interface Act {
  refresh: (ms: number) => void;
  raise: (others: readonly ProcessIdentity[]) => void;
  disarm: () => void;
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
  readonly #act: Act;
  #hasFired = false;
  #state: 'armed' | 'fired' | 'disarmed' = 'armed';

  /** @internal */
  constructor({ handle, condition, slot, token, pollerIds, adjustment }: ArmedOptions, act: Act) {
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

  /** @returns false: the target has fired, or was disarmed */
  refresh(expiresInMs: number): boolean {
    if (this.isArmed) this.#act.refresh(expiresInMs);
    return this.isArmed;
  }

  /**
   * Raises the oom_score_adj of the processes that are killed together with the target, so that the kernel prefers each of
   * them to an innocent process. A process that does not permit it is left out.
   */
  raise(members: readonly { pid: number; start_ticks: number }[]): void {
    if (!this.isArmed) return;
    const others = members.filter(({ pid }) => pid !== this.handle.pid);
    this.#act.raise(others.map(({ pid, start_ticks: startTicks }) => ({ pid, startTicks })));
  }

  /**
   * Disarms the target and restores every raised oom_score_adj. Call it also after the target has fired and survived. `fired$`
   * still emits a signal that was sent just before.
   *
   * @returns whether the target was armed
   */
  disarm(): boolean {
    const wasArmed = this.isArmed;
    if (this.#state !== 'disarmed') this.#act.disarm();
    this.#state = 'disarmed';
    return wasArmed;
  }

  /** @internal @returns false: the target has already fired */
  fire(): boolean {
    if (this.isArmed) this.#state = 'fired';
    const first = !this.#hasFired;
    this.#hasFired = true;
    return first;
  }
}

/**
 * Whether a process has started within the current clock tick (10 ms). A target must be older, so that a later process
 * with the same pid has a different start tick. By the start tick, the BPF program can distinguish the two.
 */
export function hasJustStarted({ startTicks }: Pick<ProcessHandle, 'startTicks'>): boolean {
  return startTicks >= uptimeTicks();
}
