/** Finds numbers in a report that are not in its log. */
import type { OomReport } from '../../src/model/oom-report.ts';

/**
 * Fields that are not in the log: they are computed (other tests check them), or they describe the position in the log.
 */
const DERIVED = new Set(['seq', 'offset', 'page_bytes', 'badness_pages', 'domain_bytes', 'verdict', 'time', 'mono_ns']);
/** Kernels before 2.6.36 print oom_adj, which becomes an oom_score_adj. */
const isOld = (kernel: string | null) => kernel !== null && /^2\./.test(kernel);

export function unfounded(report: OomReport, text: string): string[] {
  const numbers = new Set([...text.matchAll(/\d+/g)].map(([digits]) => Number(digits)));
  for (const [, whole, fraction = ''] of text.matchAll(/(\d+)\.(\d{3,9})/g))
    numbers.add(Number(whole) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0')));
  const found: string[] = [];
  const there = (value: number) =>
    numbers.has(value) || [1024, report.page_bytes].some((unit) => numbers.has(value / unit));
  const walk = (value: unknown, path: string, parent: Record<string, unknown>): void => {
    if (typeof value === 'number') {
      if (there(Math.abs(value))) return;
      // /dev/kmsg has the time in microseconds, dmesg has it in seconds.
      if (path === '.since_boot_seconds' && numbers.has(Math.round(value * 1e6))) return;
      if (path.endsWith('.rss_bytes') && isSum(value, parent)) return;
      if (path.endsWith('.page_tables_bytes')) return; // pages of two levels, in kernels from 4.? to 4.14
      if (path.endsWith('oom_score_adj') && isOld(report.kernel)) return;
      found.push(`${path} ${value}`);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, part] of Object.entries(value))
        if (!DERIVED.has(key)) walk(part, `${path}.${key}`, value as Record<string, unknown>);
    }
  };
  walk(report, '', {});
  return found;
}

function isSum(value: number, { anon_rss_bytes, file_rss_bytes, shmem_rss_bytes }: Record<string, unknown>): boolean {
  return value === Number(anon_rss_bytes) + Number(file_rss_bytes) + Number(shmem_rss_bytes ?? 0);
}
