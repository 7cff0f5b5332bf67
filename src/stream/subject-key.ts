import type { PressureSubject } from '../model/pressure.ts';

/** A key that is unique for each subject. If a cgroup is removed and created again, its id and its key change. */
export const subjectKey = ({ scope, path, id }: PressureSubject): string => `${scope}:${id ?? path}`;
