/** Decides which processes must never be killed, whatever a rule says, and which must not be killed at the moment. */
import type { GuardRejectionReason } from '../../model/guard.ts';
import type { SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { matches } from './match.ts';
import type { Match, Rule } from './rule.ts';
import type { Supervisor } from './standing.ts';

/** The guard itself, and its ancestors up to init. */
export interface Self {
  pid: number;
  ancestors: ReadonlySet<number>;
}

export interface Protection {
  self: Self;
  protect: readonly Match[];
  /** The cgroups by path, for the attribute `user.oomd_omit`. */
  cgroups: ReadonlyMap<string, SampledCgroup>;
  /** The `identity()` of each process that has survived an earlier attempt. */
  stuck: ReadonlySet<string>;
  /** undefined: the rules alone decide. */
  supervisor?: Supervisor | undefined;
}

export interface Rejected {
  reason: GuardRejectionReason;
  detail: string | null;
}

const because = (reason: GuardRejectionReason, detail: string | null = null): Rejected => ({ reason, detail });

/** Why `process` must not be killed; undefined: it may be killed. */
export function rejection(process: SampledProcess, rule: Rule, protection: Protection): Rejected | undefined {
  const { self } = protection;
  if (process.pid <= 1) return because('init');
  if (process.kernel_thread) return because('kernel_thread');
  if (process.pid === self.pid) return because('self');
  if (self.ancestors.has(process.pid)) return because('ancestor');
  if (process.oom_score_adj === -1000) return because('spared', 'oom_score_adj -1000');
  const protectedBy = protection.protect.find((match) => matches(match, process, true));
  if (protectedBy) return because('protected', protectedBy.text);
  const never = rule.never.find((match) => matches(match, process, true));
  if (never) return because('never', never.text);
  const supervised = protection.supervisor?.standingOf(process).never;
  if (supervised !== undefined) return because('supervised', supervised);
  const omit = omittedBy(process.cgroup, protection.cgroups);
  if (omit !== undefined) return because('omitted', `user.oomd_omit on ${omit}`);
  if (process.dying || process.state === 'Z' || process.state === 'X') return because('dying');
  if (protection.stuck.has(identity(process))) return because('stuck', 'survived an earlier attempt');
  return undefined;
}

/** Whether a process rejected for this reason also protects the cgroup or process group that it is in. */
export function sparesItsGroup(reason: GuardRejectionReason): boolean {
  return reason !== 'dying' && reason !== 'stuck' && reason !== 'too_small' && reason !== 'shared';
}

export const identity = ({ pid, start_ticks }: Pick<SampledProcess, 'pid' | 'start_ticks'>) => `${pid}:${start_ticks}`;

/** The nearest cgroup, from `path` upwards, that has the attribute `user.oomd_omit`. */
function omittedBy(path: string | null, cgroups: ReadonlyMap<string, SampledCgroup>): string | undefined {
  return nearestAncestor(path, (at) => cgroups.get(at)?.preference === 'omit');
}

/** The first of `path` and its ancestors for which `test` is true. */
export function nearestAncestor(path: string | null, test: (path: string) => boolean): string | undefined {
  for (let at = path ?? ''; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) if (test(at)) return at;
  return undefined;
}
