/** Kills the other processes of an armed victim: the kernel's program signals only the first one. */
import { startTicksOf } from '../../linux/process-reader.ts';
import type { AttemptContext } from '../ladder/attempt.ts';
import { maySignal } from '../ladder/may-signal.ts';
import { Victim } from '../ladder/victim.ts';
import { identity } from '../rules/protect.ts';
import type { Ranked } from './standing-ranking.ts';

/**
 * Sends SIGKILL to the processes of a victim apart from its first one. Each is read again, and is left out if it must not
 * be killed now, or has left the cgroup for which the victim was chosen.
 *
 * @returns the caller owns `others` and must close it; undefined: there are none
 * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL
 */
export function killOthers(
  { victim, fired, sample }: Ranked,
  { machine, policy }: Pick<AttemptContext, 'machine' | 'policy'>,
): (ReturnType<Victim['kill']> & { others: Victim }) | undefined {
  const may = (pid: number) => maySignal(pid, { victim, fired, before: sample }, { machine, policy });
  const members = victim.members.filter((member) => {
    if (identity(member) === identity(victim.target)) return false;
    return startTicksOf(member.pid) === member.start_ticks && may(member.pid);
  });
  if (members.length === 0) return undefined;
  const { cgroup } = victim.target;
  const directory = cgroup === null || cgroup === '/' ? undefined : machine.directoryOf(cgroup);
  const others = Victim.take({ ...victim, members }, directory);
  if (!others) return undefined;
  try {
    return { ...others.kill(may), others };
  } catch (error) {
    others.close();
    throw error;
  }
}
