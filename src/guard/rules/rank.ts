/**
 * Whom to kill: everyone in question, the worst first, and everyone who is not in question, each with the reason.
 *
 * Scores are points: 1000 are all of the memory in question (the cgroup's limit, or RAM and swap), as oom_score_adj
 * counts them. What is measured otherwise is brought to the same scale: growth by the minute, pressure in thousandths;
 * `projected` is the badness there will be in PROJECTED_SECONDS if everybody grows on as now.
 */
import { badnessRules, oomBadness } from '../../kernel-facts/oom-badness.ts';
import type { GuardCandidate, GuardRejection, GuardTarget, GuardUnit } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { matches } from './match.ts';
import { nearest, type Protection, type Rejected, rejection, sparesItsGroup } from './protect.ts';
import type { Rule } from './rule.ts';

export interface Candidate extends GuardCandidate {
  /** All that would be killed, the one that led to it first. */
  members: SampledProcess[];
}

export interface Ranking {
  /** Highest score first. */
  candidates: Candidate[];
  rejected: GuardRejection[];
}

export const PROJECTED_SECONDS = 30;
/**
 * A storm: so many of one process group, all younger than this, none of which has more than this share of what they have
 * together. To kill one of them would not help: they are one candidate.
 */
const STORM = { least: 10, seconds: 10, largest: 0.25 };
const TICKS_PER_SECOND = 100;

/** What `user.oomd_avoid` takes: whoever has it comes after all who do not. */
const AVOID_POINTS = -1000;

/** A sample does not say how large a page is on its machine, and points have a decimal: badness is taken in bytes. */
const UNROUNDED = 1;
/** Of the kernels that oomscope supports (5.10 and later) all have the same rules, but for how exact RSS is. */
const rules = badnessRules([7, 0]);

/** @param cgroup the place of the shortage; undefined: the system */
export function rank(rule: Rule, sample: Sample, cgroup: SampledCgroup | undefined, protection: Protection): Ranking {
  const all = sample.processes ?? [];
  const { cgroups } = protection;
  const inside = all.filter((process) => !cgroup || isWithin(process.cgroup, cgroup.path));
  const verdicts = new Map(all.map((process) => [process, rejection(process, rule, protection)]));
  const rejected: GuardRejection[] = [];
  const reject = (process: SampledProcess, { reason, detail }: Rejected) =>
    rejected.push({ pid: process.pid, comm: process.comm, reason, detail });

  const storms = rule.unit === 'process' ? stormsIn(inside, sample) : new Map<number, SampledProcess[]>();
  const candidates: Candidate[] = [];
  /** What is killed together is judged once, and every one of it gets the verdict. */
  const judged = new Map<string, Rejected | undefined>();
  for (const process of inside) {
    const verdict = verdicts.get(process);
    if (verdict) {
      reject(process, verdict);
      continue;
    }
    const storm = storms.get(process.pgid)?.includes(process) ? storms.get(process.pgid) : undefined;
    const { unit, key } = storm
      ? ({ unit: 'process_group', key: `group ${process.pgid}` } as const)
      : unitOf(process, rule, cgroup, cgroups);
    if (judged.has(key)) {
      const shared = judged.get(key);
      if (shared) reject(process, shared);
      continue;
    }
    const members = storm ?? (unit === 'process' ? [process] : membersOf(process, unit, key, all));
    const spared = members.find((member) => {
      const other = verdicts.get(member);
      return other !== undefined && sparesItsGroup(other.reason);
    });
    const refuse = (reason: Rejected['reason'], detail: string) => {
      judged.set(key, { reason, detail });
      reject(process, { reason, detail });
    };
    judged.set(key, undefined);
    if (spared) {
      const why = verdicts.get(spared)?.reason;
      refuse('holds_protected', `${spared.comm} (pid ${spared.pid}) is with it: ${why}`);
      continue;
    }
    // Of a storm the oldest first, which is likely to have started the others.
    const order = storm ? byAge : bySize;
    const live = members.filter((member) => !verdicts.get(member)).sort(order);
    const candidate = score(rule, sample, live, unit, unit === 'cgroup' ? key : process.cgroup, cgroup, cgroups);
    const bytes = candidate.target.rss_bytes + candidate.target.swap_bytes;
    if (bytes < rule.minBytes || candidate.score < rule.minPoints) {
      refuse('too_small', `${bytes} bytes, ${candidate.score} points`);
    } else {
      candidates.push(candidate);
    }
  }
  candidates.sort(
    (a, b) =>
      b.score - a.score || b.target.rss_bytes - a.target.rss_bytes || b.target.pid - a.target.pid /* the younger */,
  );
  return { candidates, rejected };
}

/** What is killed with a process, and a name for it. */
function unitOf(
  process: SampledProcess,
  rule: Rule,
  cgroup: SampledCgroup | undefined,
  cgroups: ReadonlyMap<string, SampledCgroup>,
): { unit: GuardUnit; key: string } {
  const group = rule.honourOomGroup || rule.unit === 'cgroup' ? oomGroup(process.cgroup, cgroup, cgroups) : undefined;
  if (group !== undefined) return { unit: 'cgroup', key: group };
  if (rule.unit === 'cgroup' && process.cgroup !== null && process.cgroup !== '/') {
    return { unit: 'cgroup', key: process.cgroup };
  }
  if (rule.unit === 'process_group' && process.pgid > 1) return { unit: 'process_group', key: `group ${process.pgid}` };
  return { unit: 'process', key: `process ${process.pid}` };
}

/** mm/memcontrol.c mem_cgroup_get_oom_group(): the topmost with memory.oom.group, up to where memory ran out. */
function oomGroup(
  path: string | null,
  cgroup: SampledCgroup | undefined,
  cgroups: ReadonlyMap<string, SampledCgroup>,
): string | undefined {
  let topmost: string | undefined;
  nearest(path, (at) => {
    if (cgroups.get(at)?.oom_group) topmost = at;
    return at === cgroup?.path;
  });
  return topmost;
}

function membersOf(process: SampledProcess, unit: GuardUnit, key: string, all: SampledProcess[]): SampledProcess[] {
  return unit === 'cgroup'
    ? all.filter((other) => isWithin(other.cgroup, key))
    : all.filter((other) => other.pgid === process.pgid);
}

function score(
  rule: Rule,
  sample: Sample,
  members: SampledProcess[],
  unit: GuardUnit,
  cgroupPath: string | null,
  subject: SampledCgroup | undefined,
  cgroups: ReadonlyMap<string, SampledCgroup>,
): Candidate {
  const lead = members[0] as SampledProcess;
  const { total_bytes, swap_total_bytes } = sample.system;
  const domain = subject?.limit_bytes ?? total_bytes + swap_total_bytes;
  const points = (bytes: number) => (1000 * bytes) / Math.max(1, domain);
  const sum = (of: (process: SampledProcess) => number) => members.reduce((total, member) => total + of(member), 0);
  const oomScoreAdj = rule.ignorePositiveAdj ? Math.min(0, lead.oom_score_adj) : lead.oom_score_adj;
  const held = {
    rssBytes: sum((one) => one.rss_bytes),
    swapBytes: sum((one) => one.swap_bytes),
    pageTablesBytes: sum((one) => one.page_tables_bytes),
  };
  const badness = (moreBytes: number) => {
    const input = { pid: lead.pid, uid: lead.uid, oomScoreAdj, ...held, rssBytes: held.rssBytes + moreBytes };
    return oomBadness(input, { bytes: domain, pageBytes: UNROUNDED, rules }) ?? Number.NEGATIVE_INFINITY;
  };

  const bases = {
    badness: () => points(badness(0)),
    projected: () => points(badness(PROJECTED_SECONDS * Math.max(0, sum(growth)))),
    oom_score: () => Math.max(...members.map((one) => one.oom_score ?? 0)),
    rss: () => points(held.rssBytes),
    swap: () => points(held.swapBytes),
    growth: () => points(60 * sum(growth)),
    pressure: () => 10 * (cgroups.get(cgroupPath ?? '')?.pressure?.full.avg10 ?? 0),
  };
  const base = rounded(bases[rule.rank]());
  const moves = rule.preferences
    .filter(({ match }) => members.some((member) => matches(match, member)))
    .map(({ match, points: by }) => ({ by, text: `${by > 0 ? 'prefer' : 'avoid'} ${match.text}` }));
  const avoided = nearest(cgroupPath, (at) => cgroups.get(at)?.preference === 'avoid');
  if (avoided !== undefined) moves.push({ by: AVOID_POINTS, text: `user.oomd_avoid on ${avoided}` });

  const target: GuardTarget = {
    takes: unit,
    pid: lead.pid,
    start_ticks: lead.start_ticks,
    pgid: lead.pgid,
    uid: lead.uid,
    comm: lead.comm,
    cgroup: cgroupPath,
    unit: lead.unit,
    pod: lead.pod,
    container: lead.container,
    rss_bytes: held.rssBytes,
    swap_bytes: held.swapBytes,
    oom_score_adj: lead.oom_score_adj,
    processes: members.length,
  };
  return {
    target,
    score: rounded(moves.reduce((total, { by }) => total + by, base)),
    base,
    adjusted_by: moves.map(({ text, by }) => `${text} ${by > 0 ? '+' : ''}${rounded(by)}`),
    members,
  };
}

/** Of each process group with a storm in it, those who make it. A cgroup that goes as a whole is none. */
function stormsIn(all: readonly SampledProcess[], { uptime_seconds }: Sample): Map<number, SampledProcess[]> {
  const storms = new Map<number, SampledProcess[]>();
  if (uptime_seconds === undefined) return storms;
  const youngFrom = (uptime_seconds - STORM.seconds) * TICKS_PER_SECOND;
  for (const process of all) {
    if (process.pgid <= 1 || process.dying || process.start_ticks < youngFrom) continue;
    storms.set(process.pgid, [...(storms.get(process.pgid) ?? []), process]);
  }
  for (const [pgid, members] of storms) {
    const total = members.reduce((sum, member) => sum + held(member), 0);
    if (members.length < STORM.least || members.some((one) => held(one) > STORM.largest * total)) storms.delete(pgid);
  }
  return storms;
}

const growth = ({ growth_bytes_per_second }: SampledProcess) => growth_bytes_per_second ?? 0;
const bySize = (a: SampledProcess, b: SampledProcess) => held(b) - held(a);
const byAge = (a: SampledProcess, b: SampledProcess) => a.start_ticks - b.start_ticks || a.pid - b.pid;
const held = ({ rss_bytes, swap_bytes }: SampledProcess) => rss_bytes + swap_bytes;
const rounded = (points: number) => Math.round(points * 10) / 10;
