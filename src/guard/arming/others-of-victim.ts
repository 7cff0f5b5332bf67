/** Kills the other processes of an armed victim: the kernel's program signals only the first one. */
import type { SampledProcess } from '../../model/sample.ts';
import type { AttemptContext } from '../ladder/attempt.ts';
import { Victim } from '../ladder/victim.ts';
import { identity, sparesItsGroup } from '../rules/protect.ts';
import { hasLeft } from '../rules/unit.ts';
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
  const mayDie = (now: SampledProcess | undefined): boolean => {
    if (!now || hasLeft(now, victim, fired.cgroup) !== undefined) return false;
    const verdict = policy.rejectionOf(now, fired.rule, sample);
    return verdict === undefined || !sparesItsGroup(verdict.reason);
  };
  const members = victim.members.filter((member) => {
    const now = identity(member) === identity(victim.target) ? undefined : machine.process(member.pid);
    return now?.start_ticks === member.start_ticks && mayDie(now);
  });
  if (members.length === 0) return undefined;
  const { cgroup } = victim.target;
  const directory = cgroup === null || cgroup === '/' ? undefined : machine.directoryOf(cgroup);
  const others = Victim.take({ ...victim, members }, directory);
  if (!others) return undefined;
  try {
    return { ...others.kill((pid) => mayDie(machine.process(pid))), others };
  } catch (error) {
    others.close();
    throw error;
  }
}
