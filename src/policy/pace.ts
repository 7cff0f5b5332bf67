/**
 * How soon to look again: in less time than it takes to fill what is left. Memory is taken to fill at 6 GB/s and swap at
 * 800 MB/s, as earlyoom has it.
 */
import type { Sample } from '../model/sample.ts';
import { measure } from './metric.ts';
import type { Detector, PolicyOptions } from './rule.ts';

const FILL_BYTES_PER_MS = { available: 6e6, swap_free: 0.8e6 } as const;
export const FASTEST_MS = 10;
export const SLOWEST_MS = 1000;
/** Where a rule looks at something whose headroom does not tell how soon it may change: pressure, growth. */
const STEADY_MS = 100;

export function nextLookMs({ rules }: PolicyOptions, sample: Sample): number {
  let soonest = SLOWEST_MS;
  for (const { when, on } of rules) {
    const places = on.some(({ kind }) => kind === 'system') ? [undefined] : [];
    for (const cgroup of [...places, ...(on.every(({ kind }) => kind === 'system') ? [] : sample.cgroups)]) {
      // All detectors of a rule must fire: the slowest of them decides.
      const slowest = Math.max(FASTEST_MS, ...when.map((detector) => headroomMs(detector, sample, cgroup)));
      soonest = Math.min(soonest, slowest);
    }
  }
  return soonest;
}

function headroomMs(detector: Detector, sample: Sample, cgroup: Sample['cgroups'][number] | undefined): number {
  const { name } = detector.metric;
  if (name !== 'available' && name !== 'swap_free' && name !== 'usage') return STEADY_MS;
  const value = measure(detector, sample.system, cgroup);
  if (value === null) return SLOWEST_MS;
  const away = name === 'usage' ? detector.limit - value : value - detector.limit;
  if (away <= 0) return 0;
  const { system } = sample;
  const whole =
    name === 'swap_free'
      ? system.swap_total_bytes
      : (cgroup?.limit_bytes ?? system.available_bytes + system.anon_bytes);
  const bytes = detector.unit === 'percent' ? (away / 100) * whole : away;
  return bytes / FILL_BYTES_PER_MS[name === 'swap_free' ? 'swap_free' : 'available'];
}
