/** What to do: for this cause, these kinds of memory and this program, each step with its reason. */
import type { ReportCause } from '../../model/oom-report.ts';
import { EXPENDABLE_ADJ, MUST_STAY_ADJ, survivorOf } from '../../survivors/survivors.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { byCause } from './advice-by-cause.ts';
import { byFactor } from './advice-by-factor.ts';
import type { Advice } from './advice-step.ts';
import type { Factor } from './factors.ts';
import { runtimeOf } from './runtimes.ts';

/** @param domainBytes size of what ran out; null: not known */
export function adviceOf(
  report: ReportFacts,
  cause: ReportCause,
  factors: readonly Factor[],
  domainBytes: number | null,
): Advice[] {
  const { victim, outcome } = report;
  const runtime = victim ? runtimeOf(victim.comm) : undefined;
  return [
    ...(byOutcome[outcome] ?? []),
    ...byCause(report, cause, domainBytes),
    ...factors.flatMap(({ factor }) => byFactor[factor] ?? []),
    ...(runtime?.advice ?? []),
    ...protection(report, cause),
  ];
}

const byOutcome: Partial<Record<ReportFacts['outcome'], Advice[]>> = {
  panic: [
    {
      do: 'Set vm.panic_on_oom to 0, unless you want the machine to reboot.',
      because: 'With 1 the kernel panics when the whole system runs out, with 2 also when a single cgroup does.',
    },
  ],
  nobody_killable: [
    {
      do: 'Make at least one process in this cgroup killable: raise its oom_score_adj above -1000.',
      because:
        'Where every process is exempt the kernel can free nothing: the allocating task fails, or waits for ever.',
    },
  ],
};

/** oom_score_adj in its own scale of -1000 to 1000, and not -1000 for everything that matters. */
function protection({ victim }: ReportFacts, cause: ReportCause): Advice[] {
  if (!victim || cause === 'sysrq' || cause === 'cgroup_limit') return [];
  if ((victim.oom_score_adj ?? 0) >= EXPENDABLE_ADJ) return [];
  const survivor = survivorOf(victim.comm);
  // The advice for its runtime says how, or the program sets the value itself.
  if (survivor?.environment || survivor?.setBy === 'program') return [];
  const known = survivor?.adj ?? 0;
  const adj = known < 0 ? known : MUST_STAY_ADJ;
  return [
    {
      do: `If ${printable(victim.comm)} must stay, set OOMScoreAdjust=${adj} in its unit, and +${EXPENDABLE_ADJ} or more for what may be killed.`,
      because:
        'The kernel adds oom_score_adj thousandths of what ran out to the size; the old scale of -17 to 15 has had no effect since 2.6.36.',
    },
  ];
}
