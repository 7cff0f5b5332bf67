/** Looks again at a process that was chosen, or that belongs to a chosen one, before a signal is sent to it. */
import type { Sample, SampledProcess } from '../../model/sample.ts';
import { sparesItsGroup } from '../rules/protect.ts';
import { hasLeft } from '../rules/unit.ts';
import type { AttemptContext, Choice } from './attempt.ts';

/** What was chosen, and the sample from which. */
export interface Chosen extends Pick<Choice, 'fired' | 'victim'> {
  before: Sample;
}

/**
 * Why a process in its current state must not be signalled; undefined: it may be. The process may have called execve(2)
 * since it was chosen.
 */
export function refusalOf(
  process: SampledProcess,
  { fired, before }: Pick<Chosen, 'fired' | 'before'>,
  { policy }: Pick<AttemptContext, 'policy'>,
): string | undefined {
  const verdict = policy.rejectionOf(process, fired.rule, before);
  return verdict && sparesItsGroup(verdict.reason) ? `${verdict.reason}: ${verdict.detail ?? ''}` : undefined;
}

/** Whether a process may be signalled: none forbids it, and it has not left the cgroup. true also: it has exited. */
export function maySignal(pid: number, chosen: Chosen, context: Pick<AttemptContext, 'machine' | 'policy'>): boolean {
  const now = context.machine.process(pid);
  if (!now) return true;
  return refusalOf(now, chosen, context) === undefined && !hasLeft(now, chosen.victim, chosen.fired.cgroup);
}
