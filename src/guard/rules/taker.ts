/** Whether a candidate itself takes the memory that is being lost at a place. */
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { formatBytes } from '../../text/format.ts';
import { ownBytes } from './forked.ts';
import type { Rule } from './rule.ts';
import { TICKS_PER_SECOND } from './unit.ts';

/**
 * Why a candidate has too small a share of the growth of the place for the rule. undefined: its share is large enough, or
 * the rule does not ask for it. If nothing grows at the place, or its growth is unknown, no share is large enough.
 */
export function takesTooLittle(
  { minGrowthShare }: Pick<Rule, 'minGrowthShare'>,
  members: readonly SampledProcess[],
  sample: Sample,
  cgroup: SampledCgroup | undefined,
): string | undefined {
  if (minGrowthShare === 0) return undefined;
  const lost = (cgroup ?? sample.system).growth_bytes_per_second ?? 0;
  const taken = members.reduce((sum, member) => sum + takenPerSecond(member, sample), 0);
  if (lost > 0 && taken >= minGrowthShare * lost) return undefined;
  return `takes ${formatBytes(taken)} of ${formatBytes(Math.max(0, lost))} a second`;
}

/**
 * How much memory a process takes now (bytes a second): its growth, but not more than in the last second, because growth
 * that has ended does not count. A process that has not been measured twice counts only in its first second, with the
 * memory that it did not get from its parent.
 */
function takenPerSecond(process: SampledProcess, sample: Sample): number {
  const { uptime_seconds: now } = sample;
  const { growth_bytes_per_second: growth, recent_growth_bytes_per_second: recent = growth } = process;
  if (growth !== null && recent !== null) return Math.max(0, Math.min(growth, recent));
  const age = now === undefined ? Number.POSITIVE_INFINITY : now - process.start_ticks / TICKS_PER_SECOND;
  return age <= 1 ? ownBytes(process, sample) : 0;
}
