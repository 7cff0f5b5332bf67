import type { PressureSubject } from '../model/pressure.ts';

/** A cgroup that was removed and made again is another one. */
export const subjectKey = ({ scope, path, id }: PressureSubject): string => `${scope}:${id ?? path}`;
