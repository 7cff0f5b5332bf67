import { asyncScheduler, debounceTime, groupBy, mergeMap, type OperatorFunction, type SchedulerLike } from 'rxjs';
import type { PressureSubject } from '../model/pressure.ts';
import { subjectKey } from './subject-key.ts';

export interface PerCgroupOptions {
  /** A cgroup of which nothing was heard for so long is forgotten; the next event of it starts anew. Default an hour. */
  idleMs?: number;
  scheduler?: SchedulerLike;
}

/**
 * Applies operators to each cgroup by itself, and to the system as one more: what one of them does leaves the others alone.
 * The results come merged.
 */
export function perCgroup<E extends { subject: PressureSubject }, R>(
  project: OperatorFunction<E, R>,
  { idleMs = 3_600_000, scheduler = asyncScheduler }: PerCgroupOptions = {},
): OperatorFunction<E, R> {
  return (source) =>
    source.pipe(
      groupBy(({ subject }) => subjectKey(subject), {
        duration: (group) => group.pipe(debounceTime(idleMs, scheduler)),
      }),
      mergeMap((group) => project(group)),
    );
}
