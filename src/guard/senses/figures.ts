/** Figures that the samples of the system and of cgroups have in common. */
import type { CgroupMemory } from '../../linux/memory-cgroup.ts';
import type { parsePressure } from '../../linux/psi.ts';
import type { SampledSystem, SampledUse } from '../../model/sample.ts';
import type { GrowthWindow } from '../../series/growth.ts';

/**
 * Growth is measured over the first of these times, and counts as no larger than over the second (s): growth that has
 * just ended must not be extrapolated.
 */
const RECENT_SECONDS = [1, 0.15] as const;

/** Returns the pressure that oomscope has measured in the cgroup at `path`; "/" is the system. */
export type PressureFeed = (path: string) => Pick<SampledSystem, 'windows' | 'fruitless_rounds'> | undefined;

export const nothingMeasured = { windows: [], fruitless_rounds: null };

export function averages(found: ReturnType<typeof parsePressure>): SampledSystem['pressure'] {
  if (!found) return null;
  const { some, full } = found;
  const of = ({ avg10, avg60, avg300 }: typeof some) => ({ avg10, avg60, avg300 });
  return { some: of(some), full: of(full) };
}

export function slopeOf(growth: GrowthWindow): number | null {
  if (growth.count < 3) return null;
  return Math.round(Math.min(...RECENT_SECONDS.map((seconds) => growth.slope(seconds)?.perSecond ?? 0)));
}

type Used = Pick<CgroupMemory, 'anonBytes' | 'shmemBytes' | 'kernelBytes' | 'unevictableBytes'>;

export const useOf = (used: Used & { hugetlbBytes?: number }): SampledUse => ({
  anon_bytes: used.anonBytes,
  shmem_bytes: used.shmemBytes,
  kernel_bytes: used.kernelBytes,
  hugetlb_bytes: used.hugetlbBytes ?? 0,
  unevictable_bytes: used.unevictableBytes,
});
