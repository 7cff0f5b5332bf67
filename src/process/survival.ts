/**
 * A process that acts when memory is short must not be what the shortage stops.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { loadNative } from '../native/addon.ts';
import { checked } from '../native/system-call.ts';

export interface Survival {
  /** Its code stays in memory once it was touched. The heap may go where there is swap: see MemorySwapMax= of systemd. */
  lockMemory?: boolean;
  /** −1000 to 1000; below the value of now it takes CAP_SYS_RESOURCE. */
  oomScoreAdj?: number;
  /** −20 to 19, of JavaScript's thread. */
  nice?: number;
  /** 1 to 99: SCHED_RR for JavaScript's thread, ahead of all that is not real-time. */
  realtimePriority?: number;
}

/** What came of each wish: null when it was done, else why not. */
export type Survived = { [wish in keyof Survival]: string | null };

const OWN_ADJ = '/proc/self/oom_score_adj';
const SCHED_OTHER = 0;
const SCHED_RR = 2;

/** Does what it may do, and tells the rest. Never throws. @returns the outcome, and a way back */
export function survive(wanted: Survival): { survived: Survived; undo: () => void } {
  const native = loadNative();
  const survived: Survived = {};
  const undos: (() => void)[] = [];
  const attempt = (wish: keyof Survival, act: () => () => void) => {
    if (wanted[wish] === undefined || wanted[wish] === false) return;
    try {
      undos.push(act());
      survived[wish] = null;
    } catch (error) {
      survived[wish] = (error as Error).message;
    }
  };
  attempt('lockMemory', () => {
    checked(native.lockMemory(), 'mlock2', 'locking of memory (CAP_IPC_LOCK)');
    return () => native.unlockMemory();
  });
  attempt('oomScoreAdj', () => {
    const before = readFileSync(OWN_ADJ, 'latin1');
    try {
      writeFileSync(OWN_ADJ, String(wanted.oomScoreAdj));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`oom_score_adj ${wanted.oomScoreAdj} (CAP_SYS_RESOURCE): ${code}.`);
    }
    return () => writeFileSync(OWN_ADJ, before);
  });
  attempt('nice', () => {
    const before = getPriority();
    checked(native.setNice(wanted.nice as number), 'setpriority', `nice ${wanted.nice} (CAP_SYS_NICE)`);
    return () => native.setNice(before);
  });
  attempt('realtimePriority', () => {
    const priority = wanted.realtimePriority as number;
    checked(native.setScheduler(SCHED_RR, priority), 'sched_setscheduler', `SCHED_RR ${priority} (CAP_SYS_NICE)`);
    return () => native.setScheduler(SCHED_OTHER, 0);
  });
  const undo = () => {
    for (const step of undos.splice(0).reverse()) step();
  };
  return { survived, undo };
}
