import type { Reading } from '../memory/survey.ts';
import type { Growth, PressureLevelName, PressureSubject } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { subjectKey } from '../stream/subject-key.ts';
import type { PressureTotals } from './totals.ts';

/** One row of the live view: the present state of the system or of a cgroup. */
export interface MemoryRow {
  subject: PressureSubject;
  level: PressureLevelName;
  /** The shares of the time, 0 to 1, in which some task or all tasks were stalled. null: unknown. */
  some: number | null;
  full: number | null;
  usedBytes: number;
  limitBytes: number | null;
  availableBytes: number;
  growth: Growth | null;
}

/**
 * Composes the rows of the live view.
 *
 * @param pressure the totals of the BPF programs, which lack subjects that were never stalled. With PSI as the source,
 *   a function that returns the level of a reading
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
