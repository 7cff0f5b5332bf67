/** `--realtime` of the verbs that watch. */
import { flag } from './options.ts';
import { tell } from './tell.ts';

export const realtimeOption = flag(
  'for a machine whose CPUs are busy: handle records before all normal processes run (SCHED_RR 1), and keep the memory of oomscope locked; the threads that read records have real-time priority in any case where it is permitted, and no thread handles records for more than 20 % of a CPU so',
);

/**
 * Gives the JavaScript thread real-time priority, and keeps in memory what this process uses from now on: where memory is short, a page
 * of Node's code that must be read again takes milliseconds, at any priority. Says what the kernel refuses. To be called when other
 * threads have begun, and what only the start needs is unmapped.
 */
export async function takeRealtime(guard?: { mode: string; realtimePriority: number }): Promise<void> {
  // A guard has the priority of its configuration, also while it has used up its share and runs at normal priority.
  if (guard?.mode === 'enforce' && guard.realtimePriority > 0) return;
  const { survive } = await import('../../process/survival.ts');
  const { survived } = survive({ lockMemory: true, realtimePriority: 1 });
  const refused = Object.values(survived).filter((why) => why !== null);
  if (refused.length > 0) tell(`--realtime: ${refused.join(' ')} It goes on without.`);
}
