/** The guard's events, each with one sentence. */

import { ownerOf } from '../../containers/container-path.ts';
import { noOwner } from '../../model/container.ts';
import type { Envelope, Event } from '../../model/events.ts';
import type {
  GuardAction,
  GuardActionOutcome,
  GuardMode,
  GuardReading,
  GuardRejection,
  GuardResult,
  GuardSkipped,
  GuardSkipReason,
  GuardStep,
  GuardTarget,
} from '../../model/guard.ts';
import type { PressureSubject } from '../../model/pressure.ts';
import { formatBytes, formatNs } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { Decision } from '../rules/decide.ts';
import type { Fired } from '../rules/detect.ts';
import type { Ranking } from '../rules/rank.ts';
import { steps } from '../steps/steps.ts';

const MOST_CANDIDATES = 10;
const MOST_REJECTIONS = 200;

/** What its events have in common. */
export interface Plan {
  id: string;
  fired: Fired;
  victim: GuardTarget;
}

/** When an event is, and its envelope. */
export interface Stamp {
  /** CLOCK_MONOTONIC. */
  nowNs: () => bigint;
  envelope: (severity: Envelope['severity'], message: string) => Envelope;
}

export class Announcer {
  readonly mode: GuardMode;
  readonly #stamp: Stamp;
  readonly #emit: (event: Event) => void;

  constructor(mode: GuardMode, stamp: Stamp, emit: (event: Event) => void) {
    this.mode = mode;
    this.#stamp = stamp;
    this.#emit = emit;
  }

  plan({ fired, victim, ranking }: Extract<Decision, { kind: 'kill' }>): Plan {
    const { rule, readings } = fired;
    const { target, score } = victim;
    const would = this.mode === 'enforce' ? 'takes' : 'would take';
    const message = `${said(fired)}: ${would} ${name(target)}, ${formatBytes(target.rss_bytes)} resident, ${score} points, the worst of ${ranking.candidates.length}.`;
    const envelope = this.#stamp.envelope('warning', message);
    const plan = { id: envelope.id, fired, victim: target };
    this.#emit({
      ...envelope,
      type: 'guard.plan',
      plan_id: plan.id,
      mode: this.mode,
      rule: rule.name,
      subject: subjectOf(fired),
      because: readings,
      rank: rule.rank,
      victim: target,
      candidates: ranking.candidates.slice(0, MOST_CANDIDATES).map(({ members, ...candidate }) => candidate),
      candidates_total: ranking.candidates.length,
      ...rejections(ranking),
      steps: rule.steps.map((step) => step.do),
    });
    return plan;
  }

  action(plan: Plan, action: GuardStep, outcome: GuardActionOutcome, detail: string | null, triggerNs: bigint): void {
    const { fired, victim } = plan;
    const words: Record<GuardActionOutcome, string> = {
      done: `${steps[action].did} ${name(victim)}`,
      failed: `Could not do "${action}" to ${name(victim)}`,
      would: `Would have done "${action}" to ${name(victim)}`,
      unavailable: `"${action}" is not to be had here for ${name(victim)}`,
      not_needed: `"${action}" was not needed for ${name(victim)}`,
      undone: `Took back "${action}" of ${name(victim)}`,
    };
    const message = `${words[outcome]}${detail === null ? '' : `: ${detail}`}.`;
    const severity = outcome === 'done' && steps[action].signal ? 'critical' : 'warning';
    this.#emit({
      ...this.#stamp.envelope(severity, message),
      type: 'guard.action',
      plan_id: plan.id,
      mode: this.mode,
      rule: fired.rule.name,
      action,
      outcome,
      target: victim,
      detail,
      since_trigger_ns: Number(this.#stamp.nowNs() - triggerNs),
    } satisfies GuardAction);
  }

  result(plan: Plan, outcome: GuardResult['outcome'], found: Partial<GuardResult> = {}): void {
    const { fired, victim } = plan;
    const freed = found.freed_bytes ?? null;
    const back = found.signal_to_memory_back_ns ?? null;
    const after = back === null ? '' : ` ${formatNs(back)} after the signal`;
    const freedText = freed === null || freed <= 0 ? '' : `, ${formatBytes(freed)} more available`;
    const texts: Partial<Record<GuardResult['outcome'], string>> = {
      killed: `${name(victim)} is gone and its memory is back${after}${freedText}`,
      ended: `${name(victim)} has ended, and its memory is not back yet`,
      recovered: `The shortage passed; ${name(victim)} was spared`,
      survived: `${name(victim)} lives: ${found.stuck?.verdict ?? 'the ladder has ended'}`,
      kernel_first: `The kernel killed ${name(victim)} first`,
      would_kill: `Would have killed ${name(victim)}, for ${formatBytes(victim.rss_bytes + victim.swap_bytes)}`,
      abandoned: `Gave up on ${name(victim)}`,
    };
    this.#emit({
      ...this.#stamp.envelope(
        outcome === 'survived' ? 'critical' : 'info',
        `${texts[outcome] ?? outcome}.`.replace('..', '.'),
      ),
      type: 'guard.result',
      plan_id: plan.id,
      mode: this.mode,
      rule: fired.rule.name,
      outcome,
      target: victim,
      ...{
        freed_bytes: null,
        trigger_to_signal_ns: null,
        signal_to_exit_ns: null,
        signal_to_memory_back_ns: null,
        mrelease: null,
      },
      ...{ kernel_killed_too: null, kernel_victim: null, lead_ns: null, stuck: null },
      ...found,
    });
  }

  skipped(
    fired: Fired,
    reason: GuardSkipReason,
    detail: string | null,
    { plan = null, times = 1, ranking = none }: { plan?: string | null; times?: number; ranking?: Ranking } = {},
  ): void {
    const because: GuardReading[] = fired.readings;
    const message = `${said(fired)}, and nothing is done: ${reasons[reason]}${detail === null ? '' : ` (${detail})`}.`;
    this.#emit({
      ...this.#stamp.envelope('warning', message),
      type: 'guard.skipped',
      plan_id: plan,
      mode: this.mode,
      rule: fired.rule.name,
      subject: subjectOf(fired),
      ...{ reason, detail, because, times },
      ...rejections(ranking),
    } satisfies GuardSkipped);
  }
}

const none: Ranking = { candidates: [], rejected: [] };

const reasons: Record<GuardSkipReason, string> = {
  recovered: 'it was over when looked at again',
  no_candidate: 'nobody may be killed',
  being_freed: 'memory is on its way',
  budget: 'too many were killed lately',
  cool_down: 'too soon after the last',
  victim_changed: 'the victim is not what it was',
};

const name = ({ comm: raw, pid, takes, cgroup, processes }: GuardTarget) => {
  const comm = printable(raw);
  if (takes === 'cgroup') return `the ${processes} processes of ${printable(cgroup ?? '?')}`;
  return takes === 'process_group' ? `${comm} (pid ${pid}) and its group of ${processes}` : `${comm} (pid ${pid})`;
};

function said({ rule, cgroup, readings }: Fired): string {
  const values = readings.map(
    ({ detector, value, unit }) => `${detector}${value === null ? '' : ` (${shown(value, unit)})`}`,
  );
  return `Rule "${rule.name}" fired${cgroup ? ` on ${cgroup.path}` : ''}, ${values.join(' and ')}`;
}

function shown(value: number, unit: GuardReading['unit']): string {
  switch (unit) {
    case 'percent':
      return `${Math.round(value * 100) / 100} %`;
    case 'bytes':
      return formatBytes(value);
    case 'bytes_per_second':
      return `${formatBytes(value)}/s`;
    case 'seconds':
      return `${Math.round(value * 10) / 10} s`;
    case 'rounds':
      return String(value);
  }
}

function subjectOf({ cgroup }: Fired): PressureSubject {
  return cgroup
    ? { scope: 'cgroup', path: cgroup.path, id: null, ...ownerOf(cgroup.path) }
    : { scope: 'system', path: '/', id: null, ...noOwner };
}

function rejections({ rejected }: Ranking) {
  const counts: Partial<Record<GuardRejection['reason'], number>> = {};
  for (const { reason } of rejected) counts[reason] = (counts[reason] ?? 0) + 1;
  return {
    rejected: rejected.filter(({ reason }) => reason !== 'kernel_thread').slice(0, MOST_REJECTIONS),
    rejected_by_reason: counts,
  };
}
