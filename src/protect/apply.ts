/**
 * Writes a plan, each value to the very process that was planned for. What was found is in the journal before anything is
 * changed, so that whatever was done can be undone, even by another run after this one was killed.
 */

import { bootId } from '../linux/boot-id.ts';
import { OomscopeError } from '../model/error.ts';
import { ScoreAdjFile } from '../process/oom-score-adj-file.ts';
import type { AdjLine, Journal } from './journal.ts';
import type { PlanEntry } from './plan.ts';
import { placeOf } from './subject.ts';

export interface Applied {
  entry: PlanEntry;
  /**
   * - `done`: written, and read back.
   * - `gone`: it has ended, or another process has its pid.
   * - `changed`: it is not as it was planned: another value, program or cgroup.
   * - `refused`: the kernel did not allow it.
   */
  outcome: 'done' | 'gone' | 'changed' | 'refused';
  /** Why not. null: done. */
  detail: string | null;
}

/**
 * Only the entries with `change`.
 *
 * @param onApplied told of each as it is done
 * @throws OomscopeError OUTPUT: the journal takes no more; nothing was changed then
 */
export function applyPlan(
  entries: readonly PlanEntry[],
  journal: Journal,
  onApplied: (applied: Applied) => void = () => {},
): Applied[] {
  const changes = entries.filter(({ action }) => action === 'change');
  journal.append(changes.map(lineOf));
  return changes.map((entry) => {
    const applied = applyOne(entry);
    onApplied(applied);
    return applied;
  });
}

function lineOf({ subject, profile, before, after }: PlanEntry): AdjLine {
  const { pid, startTicks, comm } = subject;
  const time = new Date().toISOString();
  return {
    kind: 'oom_score_adj',
    boot_id: bootId() ?? '',
    time,
    pid,
    start_ticks: startTicks,
    comm,
    profile,
    before,
    after,
  };
}

function applyOne(entry: PlanEntry): Applied {
  const { subject, before, after } = entry;
  const not = (outcome: Applied['outcome'], detail: string): Applied => ({ entry, outcome, detail });
  try {
    using file = ScoreAdjFile.open(subject);
    const place = placeOf(subject.pid);
    if (place?.exe !== subject.exe) return not('changed', `it runs ${place?.exe ?? 'nothing'} now`);
    if (place.cgroup !== subject.cgroup) return not('changed', `it is in ${place.cgroup ?? 'no cgroup'} now`);
    const now = file.read();
    if (now !== before) return not('changed', `it has ${now} now`);
    file.write(after);
    const read = file.read();
    return read === after ? { entry, outcome: 'done', detail: null } : not('changed', `it has ${read} now`);
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    if (error.code === 'PROCESS_GONE') return not('gone', error.message);
    if (error.code === 'NOT_PERMITTED') return not('refused', error.message);
    throw error;
  }
}
