import type { PressureSubject } from '../model/pressure.ts';

/** Tells subjects apart. A cgroup that is removed and made again has another id, and so another key. */
export const subjectKey = ({ scope, path, id }: PressureSubject): string => `${scope}:${id ?? path}`;
