/**
 * Judges whether a kill would help. Shared memory, files in a tmpfs and memory of the kernel stay when a process is
 * killed, so a kill may cost a process and free next to nothing.
 */
import type { Sample, SampledCgroup, SampledProcess, SampledUse } from '../../model/sample.ts';
import { formatBytes } from '../../text/format.ts';
import { usedBytes } from './metric.ts';
import type { Rule } from './rule.ts';

/**
 * Shared memory counts as used by several processes when the processes together hold this many times as much of it as
 * there is.
 */
const SHARED_TIMES = 1.2;

/** How much shared memory processes hold, and whether more than one of them use the same. */
export class Sharing {
  readonly #shared: boolean;
  readonly #sizes: readonly { process: SampledProcess; bytes: number }[];

  /** @param use what the memory of the place is used for; null: unknown, and nothing counts as shared */
  constructor(processes: readonly SampledProcess[], use: SampledUse | null | undefined) {
    const sizes = processes.flatMap((process) => {
      const bytes = process.shmem_bytes ?? 0;
      return bytes > 0 && !process.dying ? [{ process, bytes }] : [];
    });
    const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#sizes = sizes.sort((a, b) => b.bytes - a.bytes);
    this.#shared = use != null && total > SHARED_TIMES * use.shmem_bytes;
  }

  /** How much memory ends with these processes: what they hold, without what another process may use as well. */
  freedBy(members: readonly SampledProcess[]): number {
    const held = members.reduce((sum, { rss_bytes, swap_bytes }) => sum + rss_bytes + swap_bytes, 0);
    if (!this.#shared) return held;
    const others = this.#sizes.find(({ process }) => !members.includes(process))?.bytes ?? 0;
    const stays = members.reduce((sum, { shmem_bytes = 0 }) => sum + Math.min(shmem_bytes, others), 0);
    return Math.max(0, held - stays);
  }
}

/**
 * How many bytes must be freed until a rule no longer fires at a place. null: unknown, because the
 * detectors of the rule are about pressure or growth.
 */
export function neededBytes({ when }: Pick<Rule, 'when'>, { system }: Sample, cgroup: SampledCgroup | undefined) {
  let least: number | null = null;
  for (const { metric, unit, limit, place } of when) {
    const subject = place === 'system' ? undefined : cgroup;
    const used = subject ? usedBytes(subject) : system.total_bytes - system.available_bytes;
    const whole = subject ? subject.limit_bytes : system.total_bytes;
    if (used === null || (metric.name !== 'available' && metric.name !== 'usage')) continue;
    if (whole === null && (metric.name === 'available' || unit === 'percent')) continue;
    const all = whole ?? 0;
    // MemAvailable is compared with MemAvailable + AnonPages: see Metric in rule.ts.
    const base = metric.name === 'available' && !subject ? system.available_bytes + system.anon_bytes : all;
    const bytes = unit === 'percent' ? (limit / 100) * base : limit;
    const needed = metric.name === 'usage' ? used - bytes : bytes - (all - used);
    least = Math.max(0, Math.min(needed, least ?? needed));
  }
  return least;
}

/**
 * If other memory is more than the memory of the candidates, a victim must free at least this share of the used memory,
 * or this many bytes. Otherwise the guard would end one small process after another while a tmpfs grows.
 */
const LEAST = { share: 0.1, bytes: 64 * 2 ** 20 };

/**
 * Why no kill at a place would help. undefined: a kill may help, or it is unknown what uses the memory. A kill does not
 * help if shared memory, kernel memory and huge pages together are more than the memory of the candidates and, in
 * addition, the victim would free less than half of the needed memory or next to nothing of the used memory (`LEAST`), or an
 * earlier kill has freed far less than its victim held.
 *
 * @param frees how much memory the victim would free @param all how much all candidates together would free
 * @param disappointed whether an earlier kill at the place has freed far less than its victim held
 */
export function whyNoHelp(
  rule: Pick<Rule, 'when'>,
  sample: Sample,
  cgroup: SampledCgroup | undefined,
  { frees, all, disappointed }: { frees: number; all: number; disappointed: boolean },
): string | undefined {
  const { system } = sample;
  const { use } = cgroup ?? system;
  if (!use || rule.when.length === 0 || staysBytes(use) <= all) return undefined;
  const used = cgroup ? (usedBytes(cgroup) ?? 0) : system.total_bytes - system.available_bytes;
  const least = Math.max((neededBytes(rule, sample, cgroup) ?? 0) / 2, Math.min(LEAST.share * used, LEAST.bytes));
  if (frees >= least && !disappointed) return undefined;
  const because = disappointed
    ? 'the last kill freed far less than its victim held'
    : `the victim would free ${formatBytes(frees)} of ${formatBytes(used)}`;
  return `${because}, and ${holdersOf(use)} would stay`;
}

/** Memory that a kill does not free for certain. */
export const staysBytes = ({ shmem_bytes, kernel_bytes, hugetlb_bytes }: SampledUse) =>
  shmem_bytes + kernel_bytes + hugetlb_bytes;

/** What holds the memory apart from processes, the largest first: "96 MiB of shared memory and tmpfs". */
export function holdersOf({ shmem_bytes, kernel_bytes, hugetlb_bytes, unevictable_bytes }: SampledUse): string {
  const holders = [
    { bytes: shmem_bytes, what: 'of shared memory and tmpfs (shmem)' },
    { bytes: kernel_bytes, what: 'of the kernel (slab, page tables, stacks)' },
    { bytes: hugetlb_bytes, what: 'of huge pages (hugetlb)' },
    { bytes: unevictable_bytes, what: 'of locked memory' },
  ];
  const large = holders.sort((a, b) => b.bytes - a.bytes).filter(({ bytes }) => bytes >= (holders[0]?.bytes ?? 0) / 4);
  return large.map(({ bytes, what }) => `${formatBytes(bytes)} ${what}`).join(' and ');
}
