/**
 * Writes the oom_score_adj values of a plan, each only to the process for which it was planned, and never to another
 * process that reuses the pid. Every change is recorded in the undo ledger before it is made, so that a later run can
 * undo it even if this process is killed.
 */

import { OomscopeError } from '../model/error.ts';
import { ScoreAdjFile } from '../process/oom-score-adj-file.ts';
import type { Change } from '../process/undo-entry.ts';
import type { UndoLedger } from '../process/undo-ledger.ts';
import type { PlanEntry } from './plan.ts';
import { placeOf } from './subject.ts';

export interface Applied {
  entry: PlanEntry;
  /**
   * - `done`: the value was written, and reading it again confirmed it.
   * - `gone`: the process has exited, or another process has its pid.
   * - `changed`: the value, the program or the cgroup of the process has changed since the plan was made.
   * - `refused`: the kernel did not allow the change.
   */
  outcome: 'done' | 'gone' | 'changed' | 'refused';
  /** Why the value was not written. null: it was written. */
  detail: string | null;
}

/**
 * Applies the entries whose action is `change`.
 *
 * @param onApplied called after each of these entries
 * @throws OomscopeError OUTPUT: the ledger cannot be written, and nothing was changed
 */
export function applyPlan(
  entries: readonly PlanEntry[],
  ledger: UndoLedger,
  onApplied: (applied: Applied) => void = () => {},
): Applied[] {
  const changes = entries.filter(({ action }) => action === 'change');
  ledger.record(changes.map(changeOf));
  return changes.map((entry) => {
    const applied = applyOne(entry);
    onApplied(applied);
    return applied;
  });
}

function changeOf({ subject, profile, before, after }: PlanEntry): Change {
  const { pid, startTicks, comm } = subject;
  const process = { kind: 'oom_score_adj' as const, pid, start_ticks: startTicks, comm };
  return { ...process, by: profile, before: String(before), written: String(after) };
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
