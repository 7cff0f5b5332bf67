/**
 * Ranks the candidates that a rule may kill at a place, the highest score first, and gives the reason for every process
 * that it must not kill.
 */
import type { GuardCandidate, GuardRejection } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { formatBytes } from '../../text/format.ts';
import { usesParentsMemory } from './forked.ts';
import { neededBytes, Sharing } from './help.ts';
import { type Protection, type Rejected, rejection, sparesItsGroup } from './protect.ts';
import type { Rule } from './rule.ts';
import { scoreOf } from './score.ts';
import { byOrder, type Standing } from './standing.ts';
import { takesTooLittle } from './taker.ts';
import { endingWith, heldBytes, membersOf, type Place, stormsIn, type Unit, unitOf } from './unit.ts';

export interface Candidate extends GuardCandidate {
  /** All processes that would be killed together. The candidate was chosen by the values of the first one. */
  members: SampledProcess[];
  /** How much memory would end with them: what they hold, without what other processes use as well. */
  freesBytes: number;
  /** What the supervisor says of the first member, where there is one. */
  standing?: Standing | undefined;
}

export interface Ranking {
  /** Highest score first. */
  candidates: Candidate[];
  rejected: GuardRejection[];
}

/** @param cgroup the place of the shortage; undefined: the system */
export function rankCandidates(
  rule: Rule,
  sample: Sample,
  cgroup: SampledCgroup | undefined,
  protection: Protection,
): Ranking {
  const all = sample.processes ?? [];
  const place = { cgroup, cgroups: protection.cgroups };
  const inside = all.filter((process) => !cgroup || isWithin(process.cgroup, cgroup.path));
  const verdicts = new Map(all.map((process) => [process, rejection(process, rule, protection)]));
  const sharing = new Sharing(inside, cgroup ? cgroup.use : sample.system.use);
  const context = { rule, sample, place, sharing };
  const storms = rule.unit === 'process' ? stormsIn(inside, sample) : new Map<number, SampledProcess[]>();
  const candidates: Candidate[] = [];
  const rejected: GuardRejection[] = [];
  /** Processes that are killed together are judged once, and each of them gets the same verdict. */
  const judged = new Map<string, Candidate | Rejected>();
  for (const process of inside) {
    let verdict: Candidate | Rejected | undefined = verdicts.get(process);
    if (!verdict) {
      const unit = unitOf(process, rule, place, storms);
      verdict = judged.get(unit.key);
      if (!verdict) {
        verdict = judge(membersOf(process, unit, all), unit, verdicts, context);
        judged.set(unit.key, verdict);
        if ('members' in verdict) candidates.push(verdict);
      }
    }
    if ('reason' in verdict) rejected.push({ pid: process.pid, comm: process.comm, ...verdict });
  }
  for (const candidate of candidates) takeStanding(candidate, protection);
  return { candidates: candidates.sort(byStanding), rejected };
}

function judge(
  members: readonly SampledProcess[],
  unit: Unit,
  verdicts: ReadonlyMap<SampledProcess, Rejected | undefined>,
  context: { rule: Rule; sample: Sample; place: Place; sharing: Sharing },
): Candidate | Rejected {
  const { rule, sample, place, sharing } = context;
  const ending = endingWith(members, sample.processes ?? []);
  for (const member of [...members, ...ending]) {
    const verdict = verdicts.get(member);
    if (!verdict || !sparesItsGroup(verdict.reason)) continue;
    const detail = `${member.comm} (pid ${member.pid}) would be killed together with it: ${verdict.reason}`;
    return { reason: 'holds_protected', detail };
  }
  const [only] = members;
  if (only && unit.kind === 'process' && usesParentsMemory(only, sample))
    return { reason: 'shared', detail: `it uses the memory of its parent (pid ${only.ppid}) until it calls execve(2)` };
  // In a storm (see unit.ts), the oldest process comes first, because it probably started the others. Otherwise the
  // largest comes first.
  const live = members.filter((member) => !verdicts.get(member)).sort(unit.storm ? byAge : bySize);
  const scored = scoreOf(live, unit, context);
  scored.target.processes += ending.length;
  const bytes = scored.target.rss_bytes + scored.target.swap_bytes;
  if (rule.rank === 'oom_score' && scored.base === Number.NEGATIVE_INFINITY)
    return { reason: 'too_small', detail: 'its oom_score is unknown' };
  const least = leastBytes(rule, sample, place.cgroup);
  if (bytes < least || scored.score < rule.minPoints) {
    const small = bytes < least ? `${formatBytes(bytes)}, less than ${formatBytes(least)}` : `${scored.score} points`;
    return { reason: 'too_small', detail: small };
  }
  const little = takesTooLittle(rule, live, sample, place.cgroup);
  if (little !== undefined) return { reason: 'too_small', detail: little };
  const freesBytes = sharing.freedBy(live);
  const needed = neededBytes(rule, sample, place.cgroup) ?? bytes / 2;
  if (freesBytes < bytes / 2 && freesBytes < needed) {
    return { reason: 'shared', detail: `${formatBytes(bytes - freesBytes)} of ${formatBytes(bytes)} would stay` };
  }
  return { ...scored, members: live, freesBytes };
}

function takeStanding(candidate: Candidate, { supervisor }: Protection): void {
  const [lead] = candidate.members;
  if (!supervisor || !lead) return;
  candidate.standing = supervisor.standingOf(lead);
  if (candidate.standing.text !== undefined) candidate.adjusted_by.push(candidate.standing.text);
}

/** The smallest process that a rule without a size of its own chooses. */
const LEAST_BYTES = 16 * 2 ** 20;
/** In a small cgroup, the smallest process is this share of the limit. */
const LEAST_SHARE = 0.05;

/** Processes that hold less than this are not candidates. */
export function leastBytes({ minBytes }: Rule, { system }: Sample, cgroup: SampledCgroup | undefined): number {
  if (minBytes !== undefined) return minBytes;
  return Math.min(LEAST_BYTES, LEAST_SHARE * (cgroup?.limit_bytes ?? system.total_bytes));
}

/** Sorts candidates by what a supervisor says, then by score. */
const byStanding = (a: Candidate, b: Candidate) =>
  (a.standing && b.standing ? byOrder(a.standing.order, b.standing.order) : 0) || byScore(a, b);

/** Sorts candidates by score. Candidates with equal scores are sorted by size, then by the higher pid. */
const byScore = (a: Candidate, b: Candidate) =>
  b.score - a.score || b.target.rss_bytes - a.target.rss_bytes || b.target.pid - a.target.pid;
const bySize = (a: SampledProcess, b: SampledProcess) => heldBytes(b) - heldBytes(a);
const byAge = (a: SampledProcess, b: SampledProcess) => a.start_ticks - b.start_ticks || a.pid - b.pid;
