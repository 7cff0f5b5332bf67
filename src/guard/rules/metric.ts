/** Computes the value of a detector's metric from a sample. */
import type { SampledCgroup, SampledSystem } from '../../model/sample.ts';
import type { Detector, Metric } from './rule.ts';

/** mm/page_alloc.c, mm/memcontrol.c: MAX_RECLAIM_RETRIES. */
const MOST_ROUNDS = 16;

/** The value, in the detector's unit. null: it is unknown, or undefined, such as a percentage of a limit that is not set. */
export function measure(
  { metric, unit, place }: Detector,
  system: SampledSystem,
  cgroup: SampledCgroup | undefined,
): number | null {
  const subject = place === 'system' ? undefined : cgroup;
  const percent = unit === 'percent';
  return subject ? ofCgroup(metric, percent, subject, system) : ofSystem(metric, percent, system);
}

/**
 * Seconds until no memory is left if usage continues to grow at the current rate. null: usage does not grow, or the
 * cgroup has no limit.
 */
export function exhaustedInSeconds(system: SampledSystem, cgroup: SampledCgroup | undefined): number | null {
  const metric = { name: 'exhausted_in' } as const;
  return cgroup ? ofCgroup(metric, false, cgroup, system) : ofSystem(metric, false, system);
}

function ofSystem(metric: Metric, percent: boolean, system: SampledSystem): number | null {
  const { available_bytes: available, anon_bytes, total_bytes, swap_free_bytes, swap_total_bytes } = system;
  switch (metric.name) {
    case 'available':
      return percent ? share(available, available + anon_bytes) : available;
    case 'swap_free':
      if (swap_total_bytes === 0) return null;
      return percent ? share(swap_free_bytes, swap_total_bytes) : swap_free_bytes;
    case 'usage':
      return percent ? share(total_bytes - available, total_bytes) : total_bytes - available;
    case 'zram': {
      const used = system.zram_bytes ?? null;
      return percent && used !== null ? share(used, total_bytes) : used;
    }
    case 'exhausted_in':
      return seconds(available + swap_free_bytes, system.growth_bytes_per_second);
    default:
      return ofEither(metric, system);
  }
}

function ofCgroup(metric: Metric, percent: boolean, cgroup: SampledCgroup, system: SampledSystem): number | null {
  const { limit_bytes: limit } = cgroup;
  const used = usedBytes(cgroup);
  switch (metric.name) {
    case 'available':
      if (limit === null || used === null) return null;
      return percent ? share(limit - used, limit) : limit - used;
    case 'usage':
      if (!percent || used === null) return used;
      return limit === null ? null : share(used, limit);
    case 'swap_free': {
      const { swap_limit_bytes: most, swap_bytes } = cgroup;
      if (most === null || swap_bytes === null) return ofSystem(metric, percent, system);
      if (swapTotal(system, cgroup) === 0) return null;
      const free = Math.min(Math.max(0, most - swap_bytes), system.swap_free_bytes);
      return percent ? share(free, Math.min(most, system.swap_total_bytes)) : free;
    }
    case 'zram':
      return ofSystem(metric, percent, system);
    case 'exhausted_in':
      return limit === null || used === null ? null : seconds(limit - used, cgroup.growth_bytes_per_second);
    default:
      return ofEither(metric, cgroup);
  }
}

/** The usage of a cgroup without what the kernel reclaims before it kills. null: unknown. */
export function usedBytes({ usage_bytes, reclaimable_bytes, inactive_file_bytes }: SampledCgroup): number | null {
  const reclaimable = reclaimable_bytes === undefined ? inactive_file_bytes : reclaimable_bytes;
  return reclaimable === null ? null : Math.max(0, usage_bytes - reclaimable);
}

/** How much swap the system has, or the cgroup may use. */
function swapTotal({ swap_total_bytes }: SampledSystem, cgroup: SampledCgroup | undefined): number {
  return Math.min(cgroup?.swap_limit_bytes ?? Number.POSITIVE_INFINITY, swap_total_bytes);
}

/**
 * Whether a detector asks for little free swap where there is no swap. Such a detector leaves the decision to the other
 * detectors of its rule: alone it never holds.
 */
export function lacksSwap(
  { metric, operator, place }: Detector,
  system: SampledSystem,
  cgroup: SampledCgroup | undefined,
): boolean {
  const isBelow = operator === '<' || operator === '<=';
  return metric.name === 'swap_free' && isBelow && swapTotal(system, place === 'system' ? undefined : cgroup) === 0;
}

function ofEither(
  metric: Extract<Metric, { name: 'pressure' | 'growth' | 'rounds_left' }>,
  place: SampledSystem | SampledCgroup,
): number | null {
  switch (metric.name) {
    case 'growth':
      return place.growth_bytes_per_second;
    case 'rounds_left':
      return place.fruitless_rounds === null ? null : Math.max(0, MOST_ROUNDS - place.fruitless_rounds);
    case 'pressure': {
      const { share: which, over } = metric;
      if (typeof over === 'string') return place.pressure?.[which][over] ?? null;
      return place.windows.find(({ window_seconds }) => window_seconds === over / 1000)?.[which] ?? null;
    }
  }
}

function share(part: number, whole: number): number | null {
  return whole > 0 ? (100 * part) / whole : null;
}

function seconds(left: number, growth: number | null): number | null {
  return growth !== null && growth > 0 ? Math.max(0, left) / growth : null;
}
