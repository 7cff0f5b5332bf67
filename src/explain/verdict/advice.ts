/** Advice for a report: for its outcome, its cause, its factors, and the program that was killed. */
import type { ReportCause } from '../../model/oom-report.ts';
import { EXPENDABLE_ADJ, MUST_STAY_ADJ, survivorOf } from '../../survivors/survivors.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { byCause } from './advice-by-cause.ts';
import { byFactor } from './advice-by-factor.ts';
import type { Advice } from './advice-step.ts';
import type { Factor } from './factors.ts';
import { runtimeOf } from './runtimes.ts';

/** @param domainBytes size of the memory that ran out; null: unknown */
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
      because: 'With 1 the kernel panics when the whole system runs out of memory, with 2 also when one cgroup does.',
    },
  ],
  nobody_killable: [
    {
      do: 'Make at least one process in this cgroup killable: raise its oom_score_adj above -1000.',
      because:
        'When every process is exempt, the kernel cannot free memory: the allocation fails, or its task waits for ever.',
    },
  ],
};

/** Advice on the oom_score_adj of the victim, in the scale of -1000 to 1000. */
function protection({ victim }: ReportFacts, cause: ReportCause): Advice[] {
  if (!victim || cause === 'sysrq' || cause === 'cgroup_limit') return [];
  if ((victim.oom_score_adj ?? 0) >= EXPENDABLE_ADJ) return [];
  const survivor = survivorOf(victim.comm);
  // The advice for the runtime already says how, or the program sets its own value.
  if (survivor?.environment || survivor?.setBy === 'program') return [];
  const known = survivor?.adj ?? 0;
  const adj = known < 0 ? known : MUST_STAY_ADJ;
  return [
    {
      do: `If ${printable(victim.comm)} must stay, set OOMScoreAdjust=${adj} in its unit, and +${EXPENDABLE_ADJ} or more in units that may be killed.`,
      because:
        'The kernel adds oom_score_adj thousandths of the limit or of the machine’s memory to the size of a process. The old scale of -17 to 15 is obsolete since 2.6.36.',
    },
  ];
}
