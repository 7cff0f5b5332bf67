/** What held the memory: processes, and kinds of memory that belong to no process. */
import type { ReportVerdict } from '../../model/oom-report.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { hugePageBytes, statOf } from './factors.ts';

const MOST_HOLDERS = 10;

export const sizeOf = (task: { rss_bytes: number; swap_bytes: number | null }) =>
  task.rss_bytes + (task.swap_bytes ?? 0);

/** @param whole size of what ran out, in bytes; null: not known */
export function holdersOf({ tasks, memory, limit }: ReportFacts, whole: number | null): ReportVerdict['holders'] {
  const share = (bytes: number) => (whole === null || whole <= 0 ? null : bytes / whole);
  const processes = tasks.map((task) => ({ name: task.comm, pid: task.pid, bytes: sizeOf(task) }));
  const stat = limit && limit.stats.length > 0 ? statOf(limit) : null;
  const of = (name: string) => stat?.(name) ?? memory?.totals[name] ?? 0;
  // Shared memory that processes have mapped is in their RSS already.
  const mapped = tasks.reduce((sum, { shmem_rss_bytes }) => sum + (shmem_rss_bytes ?? 0), 0);
  const kinds = [
    { name: 'tmpfs and shared memory', bytes: Math.max(0, of('shmem') - mapped) },
    { name: 'kernel objects (unreclaimable slab)', bytes: of('slab_unreclaimable') },
    { name: 'reserved huge pages', bytes: memory ? hugePageBytes(memory) : 0 },
  ].map((kind) => ({ ...kind, pid: null }));
  return [...processes, ...kinds]
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST_HOLDERS)
    .map((holder) => ({ ...holder, share: share(holder.bytes) }));
}
