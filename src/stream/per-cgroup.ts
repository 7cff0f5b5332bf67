import { asyncScheduler, debounceTime, groupBy, mergeMap, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { PressureSubject } from '../model/pressure.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import { subjectKey } from './subject-key.ts';

/** Options of `perCgroup()`. */
export interface PerCgroupOptions {
  /** The state of a cgroup is dropped after this time without an event, in milliseconds. Default one hour. */
  idleMs?: number;
  /** The clock. Default: `asyncScheduler` of RxJS. */
  scheduler?: SchedulerLike;
}

/**
 * Applies operators to the events of each cgroup separately, and also to the events of the system. The results are
 * merged.
 *
 * @param project the operators: `pipe(sustained(2000), episode())`
 * @throws OomscopeError USAGE: an option does not exist
 */
export function perCgroup<E extends { subject: PressureSubject }, R>(
  project: OperatorFunction<E, R>,
  options: PerCgroupOptions = {},
): OperatorFunction<E, R> {
  refuseUnknownOptions('perCgroup()', options, { idleMs: true, scheduler: true });
  const { idleMs = 3_600_000, scheduler = asyncScheduler } = options;
  return (source) =>
    source.pipe(
      groupBy(({ subject }) => subjectKey(subject), {
        duration: (group) => group.pipe(debounceTime(idleMs, scheduler)),
      }),
      mergeMap((group) => project(group)),
    );
}
