/** `--realtime` of the verbs that watch. */
import { flag } from './options.ts';
import { tell } from './tell.ts';

export const realtimeOption = flag(
  'also handle records before all normal processes run (SCHED_RR 1), which needs CAP_SYS_NICE; the threads that read records always do where it is permitted; a thread that has used 10 % of a CPU gives it back',
);

/** Gives the JavaScript thread real-time priority, or says why it has none. To be called after other threads have begun. */
export async function takeRealtime(): Promise<void> {
  const [{ survive }, { isRealtime }] = await Promise.all([
    import('../../process/survival.ts'),
    import('../../linux/scheduling.ts'),
  ]);
  if (isRealtime()) return; // a guard has the priority of its configuration
  const refused = survive({ realtimePriority: 1 }).survived.realtimePriority;
  if (refused) tell(`--realtime: ${refused} It goes on at normal priority.`);
}
