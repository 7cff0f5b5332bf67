/** What an armed target's firing came to. */
import { GuardOutcome, type GuardTriggerRecord } from '../../bpf/wire/layout.ts';
import { errnoName } from '../../native/errno.ts';
import type { Armed } from './armed.ts';

/** What signals: the kernel's own program, the addon's thread that reads its records, or JavaScript. */
export type ArmingBackend = 'bpf' | 'addon' | 'typescript';

/** At most one for each arming. Times are CLOCK_MONOTONIC. */
export interface Fired {
  armed: Armed;
  by: ArmingBackend;
  /** `gone`, `dying`: the process was exiting already. In these cases, and in `refused`, no signal was sent. */
  outcome: 'signalled' | 'gone' | 'dying' | 'refused';
  /** Why it was refused. */
  error: string | null;
  /** When the reclaim ended that met the condition. */
  triggerNs: bigint;
  /** Before the kernel's own program handed the signal over; null where it did not. */
  decidedNs: bigint | null;
  /** After the signal was sent. */
  signalNs: bigint | null;
  triggerTid: number;
  fruitlessRounds: number;
}

/** The kernel generated a signal for a target that had fired: the first one, whatever process sent it. */
export interface SignalSeen {
  armed: Armed;
  triggerNs: bigint;
  signalNs: bigint;
  senderPid: number;
  byOomKiller: boolean;
}

export type FiredOutcome = Pick<Fired, 'outcome' | 'error' | 'signalNs'>;

/** The kernel's own program has signalled, or decided not to. */
export function outcomeInKernel(record: GuardTriggerRecord): FiredOutcome {
  switch (record.outcome) {
    case GuardOutcome.GUARD_SENT:
      if (record.error === 0) return { outcome: 'signalled', error: null, signalNs: record.sent_ktime_ns };
      return { outcome: 'refused', error: errnoName(record.error), signalNs: null };
    case GuardOutcome.GUARD_GONE:
      return { outcome: 'gone', error: null, signalNs: null };
    case GuardOutcome.GUARD_DYING:
      return { outcome: 'dying', error: null, signalNs: null };
    default:
      return { outcome: 'refused', error: 'init or a kernel thread', signalNs: null };
  }
}

/** Signals from JavaScript. */
export function signalFromHere({ handle, condition }: Armed): FiredOutcome {
  try {
    const sent = handle.signal(condition.signal);
    return { outcome: sent ? 'signalled' : 'gone', error: null, signalNs: sent ? process.hrtime.bigint() : null };
  } catch (error) {
    return { outcome: 'refused', error: (error as Error).message, signalNs: null };
  }
}
