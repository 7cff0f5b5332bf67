/** Settings that keep this process running when memory and CPU time are short. */
import { readFileSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { loadNative } from '../native/addon.ts';
import { checked } from '../native/system-call.ts';

export interface Survival {
  /**
   * Keep pages of files, such as the program's code, in memory after their first use. The heap may still be swapped:
   * see MemorySwapMax= of systemd.
   */
  lockMemory?: boolean;
  /** The oom_score_adj, −1000 to 1000. A value below the current one needs CAP_SYS_RESOURCE. */
  oomScoreAdj?: number;
  /** The nice value of the JavaScript thread, −20 to 19. */
  nice?: number;
  /**
   * The SCHED_RR priority of the JavaScript thread, 1 to 99. It then runs before all threads without real-time
   * priority.
   */
  realtimePriority?: number;
  /**
   * With `realtimePriority`: SCHED_DEADLINE instead where the kernel permits it, so that the thread runs for at most `runMs` of each
   * `everyMs`, and other threads of its CPU in the rest.
   */
  realtimeSlices?: { runMs: number; everyMs: number };
}

/** For each requested setting: null if it was applied, otherwise the reason why not. */
export type Survived = { [setting in keyof Omit<Survival, 'realtimeSlices'>]: string | null };

const OWN_ADJ = '/proc/self/oom_score_adj';
const REALTIME_NEEDS =
  'CAP_SYS_NICE, or LimitRTPRIO= of the unit; where the cpu cgroup of version 1 divides real-time, cpu.rt_runtime_us above 0';
const SCHED_OTHER = 0;
const SCHED_RR = 2;

/**
 * Applies the settings that the kernel allows. Never throws. @returns the outcome of each, and a function that reverts
 * all of them
 */
export function survive(wanted: Survival): { survived: Survived; undo: () => void } {
  const native = loadNative();
  const survived: Survived = {};
  const undos: (() => void)[] = [];
  const attempt = (setting: keyof Survived, act: () => () => void) => {
    if (wanted[setting] === undefined || wanted[setting] === false) return;
    try {
      undos.push(act());
      survived[setting] = null;
    } catch (error) {
      survived[setting] = (error as Error).message;
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
    const { realtimePriority: priority = 0, realtimeSlices: slices } = wanted;
    const inSlices = slices && native.setDeadline(slices.runMs * 1000, slices.everyMs * 1000) === 0;
    if (!inSlices)
      checked(
        native.setScheduler(SCHED_RR, priority),
        'sched_setscheduler',
        `SCHED_RR ${priority} (${REALTIME_NEEDS})`,
      );
    return () => native.setScheduler(SCHED_OTHER, 0);
  });
  const undo = () => {
    for (const step of undos.splice(0).reverse()) step();
  };
  return { survived, undo };
}
