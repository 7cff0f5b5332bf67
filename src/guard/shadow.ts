/** Shadow mode: compares the process that the kernel killed with the process that the guard would have killed. */

import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Event, OomKill } from '../model/events.ts';
import type { GuardTarget } from '../model/guard.ts';
import { globMatch } from '../text/glob.ts';
import { noFigures, type Plan } from './ladder/announce.ts';
import { shadowMessage } from './ladder/messages.ts';
import type { Candidate } from './rules/rank.ts';
import type { Place, Rule } from './rules/rule.ts';

/** A kill by the kernel is not compared with a plan that is older than this (ms). */
const COMPARED_MS = 120_000;

interface Planned {
  plan: Plan;
  members: ReadonlySet<number>;
  atMs: number;
}

export class Shadow {
  readonly #envelopes: EnvelopeFactory;
  readonly #emit: (event: Event) => void;
  #planned: Planned[] = [];

  constructor(envelopes: EnvelopeFactory, emit: (event: Event) => void) {
    this.#envelopes = envelopes;
    this.#emit = emit;
  }

  planned(plan: Plan, { victim }: { victim: Candidate }, atMs: number): void {
    this.#planned.push({ plan, members: new Set(victim.members.map(({ pid }) => pid)), atMs });
  }

  kernelKilled(kill: OomKill): void {
    const now = performance.now();
    this.#planned = this.#planned.filter(({ atMs }) => now - atMs < COMPARED_MS);
    // Prefer the last plan with the same victim, else take the last plan for the same cgroup or for the system.
    const same = this.#planned.findLast(({ members }) => members.has(kill.victim.pid));
    const other = this.#planned.findLast(({ plan }) => {
      const path = plan.fired.cgroup?.path;
      return path === undefined || kill.cgroups.some((cgroup) => cgroup.path === path);
    });
    const found = same ?? other;
    const outcome = same ? 'same_victim' : other ? 'other_victim' : 'unforeseen';
    const leadMs = found ? Math.round(now - found.atMs) : null;
    const message = shadowMessage(kill.victim, found?.plan.victim, outcome, leadMs);
    this.#emit({
      ...this.#envelopes.next(process.hrtime.bigint(), realtimeOffsetNs(), 'info', 'guard', message),
      type: 'guard.result',
      plan_id: found?.plan.id ?? null,
      mode: 'shadow',
      rule: found?.plan.fired.rule.name ?? null,
      outcome,
      target: found?.plan.victim ?? targetOf(kill),
      ...noFigures,
      kernel_killed_too: true,
      kernel_victim: { pid: kill.victim.pid, comm: kill.victim.comm },
      lead_ns: leadMs === null ? null : leadMs * 1_000_000,
    });
    if (found) this.#planned = this.#planned.filter((one) => one !== found);
  }
}

function targetOf({ victim }: OomKill): GuardTarget {
  return {
    takes: 'process',
    pid: victim.pid,
    start_ticks: victim.start_ticks ?? 0,
    pgid: null,
    uid: victim.uid,
    comm: victim.comm ?? '?',
    cgroup: victim.cgroup,
    unit: victim.unit,
    pod: victim.pod,
    container: victim.container,
    rss_bytes: victim.memory?.rss_bytes ?? 0,
    swap_bytes: victim.memory?.swap_bytes ?? 0,
    oom_score_adj: victim.oom_score_adj ?? 0,
    processes: 1,
  };
}

/** Whether a rule watches the place where the kernel has killed. */
export const concerns = (rules: readonly Rule[], kill: OomKill): boolean =>
  rules.some(({ on }) => on.some((place) => isAbout(place, kill)));

function isAbout(place: Place, { cgroups, victim, scope }: OomKill): boolean {
  if (place.kind === 'containers') return victim.container !== null;
  if (place.kind === 'limited') return scope !== 'system';
  return place.kind === 'system' || cgroups.some(({ path }) => globMatch(place.glob, path));
}
