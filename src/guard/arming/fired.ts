/** The events of an armed target whose condition was met, and their outcomes. */
import { GuardOutcome, type GuardTriggerRecord } from '../../bpf/wire/layout.ts';
import { errnoName } from '../../native/errno.ts';
import type { Armed } from './armed.ts';

/**
 * What sends the signal: the BPF program, the addon's poller thread, which reads the records of the BPF program, or
 * JavaScript.
 */
export type ArmingBackend = 'bpf' | 'addon' | 'typescript';

/** The condition of an armed target was met. Emitted at most once for each arming. Times are CLOCK_MONOTONIC in ns. */
export interface Fired {
  armed: Armed;
  by: ArmingBackend;
  /**
   * `signalled`: the signal was sent; in all other cases it was not. `gone`: the process had exited. `dying`: the
   * process was exiting. `shrunk`: it held less than `leastBytes`. `refused`: see `error`.
   */
  outcome: 'signalled' | 'gone' | 'dying' | 'shrunk' | 'refused';
  /** Why the signal was refused; null: it was not refused. */
  error: string | null;
  /** When the last of the fruitless reclaims ended. */
  triggerNs: bigint;
  /** When the BPF program was about to send the signal; null: it did not send one. */
  decidedNs: bigint | null;
  /** When the signal had been sent. */
  signalNs: bigint | null;
  triggerTid: number;
  fruitlessRounds: number;
}

/**
 * The kernel generated the first signal for a target after its condition was met, whichever process sent the signal.
 */
export interface SignalSeen {
  armed: Armed;
  triggerNs: bigint;
  signalNs: bigint;
  senderPid: number;
  byOomKiller: boolean;
}

export type FiredOutcome = Pick<Fired, 'outcome' | 'error' | 'signalNs'>;

/** The outcome where the BPF program has signalled, or has decided not to. */
export function outcomeInKernel(record: GuardTriggerRecord): FiredOutcome {
  switch (record.outcome) {
    case GuardOutcome.GUARD_SENT:
      if (record.error === 0) return { outcome: 'signalled', error: null, signalNs: record.sent_ktime_ns };
      return { outcome: 'refused', error: errnoName(record.error), signalNs: null };
    case GuardOutcome.GUARD_GONE:
      return { outcome: 'gone', error: null, signalNs: null };
    case GuardOutcome.GUARD_DYING:
      return { outcome: 'dying', error: null, signalNs: null };
    case GuardOutcome.GUARD_SHRUNK:
      return { outcome: 'shrunk', error: null, signalNs: null };
    default:
      return { outcome: 'refused', error: 'init or a kernel thread', signalNs: null };
  }
}

/** Sends the signal from JavaScript. */
export function signalFromHere({ handle, condition }: Armed): FiredOutcome {
  try {
    const sent = handle.signal(condition.signal);
    return { outcome: sent ? 'signalled' : 'gone', error: null, signalNs: sent ? process.hrtime.bigint() : null };
  } catch (error) {
    return { outcome: 'refused', error: (error as Error).message, signalNs: null };
  }
}
