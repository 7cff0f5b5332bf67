/** Emits the guard's events. */
import { ownerOf } from '../../containers/container-path.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../../events/envelope.ts';
import { noOwner } from '../../model/container.ts';
import type { Envelope, Event } from '../../model/events.ts';
import type {
  GuardActionOutcome,
  GuardMode,
  GuardPart,
  GuardRejection,
  GuardResult,
  GuardSkipReason,
  GuardStatus,
  GuardStep,
  GuardTarget,
} from '../../model/guard.ts';
import type { PressureSubject } from '../../model/pressure.ts';
import type { Decision } from '../rules/decide.ts';
import type { Fired } from '../rules/detect.ts';
import type { Ranking } from '../rules/rank.ts';
import { steps } from '../steps/steps.ts';
import { actionMessage, planMessage, resultMessage, skipMessage, statusMessage } from './messages.ts';

const MOST_CANDIDATES = 10;
const MOST_REJECTIONS = 200;

/** A plan: the choice of one victim, to which several events refer. */
export interface Plan {
  id: string;
  fired: Fired;
  victim: GuardTarget;
  /** Of the processes of the victim, only the first one was signalled: an armed process is signalled alone. */
  onlyFirst?: boolean;
}

/** Provides the clock and the envelopes of events: of the running guard, or of a replayed recording. */
export interface Stamp {
  /** CLOCK_MONOTONIC in ns, or the time of the recording. */
  nowNs: () => bigint;
  envelope: (severity: Envelope['severity'], message: string) => Envelope;
}

/** The figures of a result for which nothing was measured. */
export const noFigures = {
  freed_bytes: null,
  trigger_to_signal_ns: null,
  signal_to_exit_ns: null,
  signal_to_memory_back_ns: null,
  mrelease: null,
  kernel_killed_too: null,
  kernel_victim: null,
  lead_ns: null,
  stuck: null,
};

const noRanking: Ranking = { candidates: [], rejected: [] };

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
    const of = ranking.candidates.length;
    const envelope = this.#stamp.envelope('warning', planMessage(fired, victim, of, this.mode === 'enforce'));
    const plan: Plan = { id: envelope.id, fired, victim: victim.target };
    this.#emit({
      ...envelope,
      type: 'guard.plan',
      plan_id: plan.id,
      mode: this.mode,
      rule: rule.name,
      subject: subjectOf(fired),
      because: readings,
      rank: rule.rank,
      victim: victim.target,
      candidates: ranking.candidates
        .slice(0, MOST_CANDIDATES)
        .map(({ members, freesBytes, ...candidate }) => candidate),
      candidates_total: of,
      ...rejections(ranking),
      steps: rule.steps.map((step) => step.do),
    });
    return plan;
  }

  /** @param triggerNs CLOCK_MONOTONIC of the reading that fired the rule */
  action(plan: Plan, action: GuardStep, outcome: GuardActionOutcome, detail: string | null, triggerNs: bigint): void {
    const { fired, victim } = plan;
    const severity = outcome === 'done' && steps[action].signal ? 'critical' : 'warning';
    this.#emit({
      ...this.#stamp.envelope(severity, actionMessage(action, outcome, victim, detail, plan.onlyFirst)),
      type: 'guard.action',
      plan_id: plan.id,
      mode: this.mode,
      rule: fired.rule.name,
      action,
      outcome,
      target: victim,
      detail,
      since_trigger_ns: Number(this.#stamp.nowNs() - triggerNs),
    });
  }

  /** @param why the reason that the message gives, if the outcome alone does not tell the reason */
  result(plan: Plan, outcome: GuardResult['outcome'], found: Partial<GuardResult> = {}, why?: string): void {
    const { fired, victim } = plan;
    const severity = outcome === 'survived' ? 'critical' : 'info';
    this.#emit({
      ...this.#stamp.envelope(severity, resultMessage(outcome, victim, found, why, plan.onlyFirst)),
      type: 'guard.result',
      plan_id: plan.id,
      mode: this.mode,
      rule: fired.rule.name,
      outcome,
      target: victim,
      ...noFigures,
      ...found,
    });
  }

  /**
   * @param plan the id of the plan that is given up @param times how often the rule was skipped for this reason since
   *   the last announcement
   */
  skipped(
    fired: Fired,
    reason: GuardSkipReason,
    detail: string | null,
    { plan = null, times = 1, ranking = noRanking }: { plan?: string | null; times?: number; ranking?: Ranking } = {},
  ): void {
    // Memory is short, and the guard cannot do anything about it: a person has to.
    const severity = reason === 'no_help' ? 'critical' : 'warning';
    this.#emit({
      ...this.#stamp.envelope(severity, skipMessage(fired, reason, detail)),
      type: 'guard.skipped',
      plan_id: plan,
      mode: this.mode,
      rule: fired.rule.name,
      subject: subjectOf(fired),
      reason,
      detail,
      because: fired.readings,
      times,
      ...rejections(ranking),
    });
  }

  status(part: GuardPart, state: GuardStatus['state'], error: string, failures: number): void {
    const severity = state === 'failing' ? 'warning' : 'info';
    this.#emit({
      ...this.#stamp.envelope(severity, statusMessage(part, state, error, failures)),
      type: 'guard.status',
      mode: this.mode,
      part,
      state,
      error,
      failures,
    });
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

/** The clock and the event envelopes of a guard that watches the real system; a replay has its own. */
export const live = (envelopes: EnvelopeFactory): Stamp => ({
  nowNs: () => process.hrtime.bigint(),
  envelope: (severity, message) =>
    envelopes.next(process.hrtime.bigint(), realtimeOffsetNs(), severity, 'guard', message),
});
