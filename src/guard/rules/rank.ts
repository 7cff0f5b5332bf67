/**
 * Ranks the candidates that a rule may kill at a place, the highest score first, and gives the reason for every process
 * that it must not kill.
 */
import type { GuardCandidate, GuardRejection } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { type Protection, type Rejected, rejection, sparesItsGroup } from './protect.ts';
import type { Rule } from './rule.ts';
import { scoreOf } from './score.ts';
import { heldBytes, membersOf, type Place, stormsIn, type Unit, unitOf } from './unit.ts';

export interface Candidate extends GuardCandidate {
  /** All processes that would be killed together. The first is the one by which the candidate was chosen. */
  members: SampledProcess[];
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
        verdict = judge(membersOf(process, unit, all), unit, verdicts, { rule, sample, place });
        judged.set(unit.key, verdict);
        if ('members' in verdict) candidates.push(verdict);
      }
    }
    if ('reason' in verdict) rejected.push({ pid: process.pid, comm: process.comm, ...verdict });
  }
  return { candidates: candidates.sort(byScore), rejected };
}

function judge(
  members: readonly SampledProcess[],
  unit: Unit,
  verdicts: ReadonlyMap<SampledProcess, Rejected | undefined>,
  context: { rule: Rule; sample: Sample; place: Place },
): Candidate | Rejected {
  for (const member of members) {
    const verdict = verdicts.get(member);
    if (!verdict || !sparesItsGroup(verdict.reason)) continue;
    const detail = `${member.comm} (pid ${member.pid}) would be killed together with it: ${verdict.reason}`;
    return { reason: 'holds_protected', detail };
  }
  // In a storm (see unit.ts), the oldest process comes first, because it probably started the others. Otherwise the
  // largest comes first.
  const live = members.filter((member) => !verdicts.get(member)).sort(unit.storm ? byAge : bySize);
  const scored = scoreOf(live, unit, context);
  const bytes = scored.target.rss_bytes + scored.target.swap_bytes;
  const { minBytes, minPoints } = context.rule;
  if (bytes >= minBytes && scored.score >= minPoints) return { ...scored, members: live };
  return { reason: 'too_small', detail: `${bytes} bytes, ${scored.score} points` };
}

/** By score; candidates with equal scores by size, then by the higher pid. */
const byScore = (a: Candidate, b: Candidate) =>
  b.score - a.score || b.target.rss_bytes - a.target.rss_bytes || b.target.pid - a.target.pid;
const bySize = (a: SampledProcess, b: SampledProcess) => heldBytes(b) - heldBytes(a);
const byAge = (a: SampledProcess, b: SampledProcess) => a.start_ticks - b.start_ticks || a.pid - b.pid;
