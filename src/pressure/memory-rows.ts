import type { Reading } from '../memory/survey.ts';
import type { Growth, PressureLevelName, PressureSubject } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { subjectKey } from '../stream/subject-key.ts';
import type { PressureTotals } from './totals.ts';

/** One line of the live view: the system or a cgroup, now. */
export interface MemoryRow {
  subject: PressureSubject;
  level: PressureLevelName;
  /** Shares of the time, 0 to 1, in which some task or all tasks waited for memory. null: not known. */
  some: number | null;
  full: number | null;
  usedBytes: number;
  limitBytes: number | null;
  availableBytes: number;
  growth: Growth | null;
}

/**
 * @param pressure the totals of the BPF programs, in which a subject that was never stalled is missing; or a function that
 *   knows the level of a reading whose shares come from PSI
 */
export function memoryRows(
  readings: readonly Reading[],
  pressure: readonly PressureTotals[] | ((reading: Reading) => PressureLevelName),
): MemoryRow[] {
  const levelAndShares = typeof pressure === 'function' ? byPsi(pressure) : byTotals(pressure);
  return readings.map((reading) => {
    const { subject, usedBytes, limitBytes, availableBytes } = reading;
    const growth = growthOf(reading.growth.slope(), availableBytes);
    return { subject, ...levelAndShares(reading), usedBytes, limitBytes, availableBytes, growth };
  });
}

type LevelAndShares = (reading: Reading) => Pick<MemoryRow, 'level' | 'some' | 'full'>;

const byPsi = (levelOf: (reading: Reading) => PressureLevelName): LevelAndShares => {
  return (reading) => ({ level: levelOf(reading), some: reading.some, full: reading.full });
};

function byTotals(totals: readonly PressureTotals[]): LevelAndShares {
  const bySubject = new Map(totals.map((each) => [subjectKey(each.subject), each]));
  return ({ subject }) => {
    const found = bySubject.get(subjectKey(subject));
    const window = found?.windows.at(-1);
    return { level: found?.level ?? 'normal', some: window?.some ?? 0, full: window ? window.full : 0 };
  };
}
