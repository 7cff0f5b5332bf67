/** Lists what held the memory: processes, and kinds of memory that belong to no process. */
import type { ReportVerdict } from '../../model/oom-report.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { hugePageBytes, statOf } from './factors.ts';

const MOST_HOLDERS = 10;

export const sizeOf = (task: { rss_bytes: number; swap_bytes: number | null }) =>
  task.rss_bytes + (task.swap_bytes ?? 0);

/** Several processes with the same name that together hold much memory. */
export interface Swarm {
  name: string;
  processes: number;
  bytes: number;
}

/** Fewer processes of one name are listed one by one. */
const LEAST_SWARM = 4;

/**
 * Finds at least LEAST_SWARM processes of one name that together hold more than twice as much as the largest process.
 * Shared pages are counted once for each process, so the sum may exceed the memory that exists.
 */
export function swarmsOf(tasks: ReportFacts['tasks']): Swarm[] {
  const groups = new Map<string, Swarm>();
  let largest = 0;
  for (const task of tasks) {
    const bytes = sizeOf(task);
    largest = Math.max(largest, bytes);
    const group = groups.get(task.comm) ?? { name: task.comm, processes: 0, bytes: 0 };
    groups.set(task.comm, { name: task.comm, processes: group.processes + 1, bytes: group.bytes + bytes });
  }
  return [...groups.values()]
    .filter(({ processes, bytes }) => processes >= LEAST_SWARM && bytes > largest * 2)
    .sort((a, b) => b.bytes - a.bytes);
}

/** A share of the memory that ran out. null: the share would exceed 1, because the two figures are not comparable. */
export function shareOf(bytes: number, whole: number | null): number | null {
  if (whole === null || whole <= 0 || bytes > whole) return null;
  return bytes / whole;
}

/** @param whole size of the memory that ran out, in bytes; null: unknown */
export function holdersOf({ tasks, memory, limit }: ReportFacts, whole: number | null): ReportVerdict['holders'] {
  const swarms = swarmsOf(tasks);
  const alone = tasks.filter(({ comm }) => !swarms.some(({ name }) => name === comm));
  const processes = alone.map((task) => ({ name: task.comm, pid: task.pid, processes: 1, bytes: sizeOf(task) }));
  const groups = swarms.map((swarm) => ({ ...swarm, pid: null }));
  const stat = limit && limit.stats.length > 0 ? statOf(limit) : null;
  const of = (name: string) => stat?.(name) ?? memory?.totals[name] ?? 0;
  // Shared memory that processes have mapped is already counted in their RSS.
  const mapped = tasks.reduce((sum, { shmem_rss_bytes }) => sum + (shmem_rss_bytes ?? 0), 0);
  const kinds = [
    { name: 'tmpfs and shared memory', bytes: Math.max(0, of('shmem') - mapped) },
    { name: 'kernel objects (unreclaimable slab)', bytes: of('slab_unreclaimable') },
    { name: 'reserved huge pages', bytes: memory ? hugePageBytes(memory) : 0 },
  ].map((kind) => ({ ...kind, pid: null, processes: 0 }));
  return [...groups, ...processes, ...kinds]
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST_HOLDERS)
    .map((holder) => ({ ...holder, share: shareOf(holder.bytes, whole) }));
}

/** The processes of the task table that are not among some holders, and their memory. */
export function restOf(
  tasks: ReportFacts['tasks'],
  holders: ReportVerdict['holders'],
): { processes: number; bytes: number } {
  const pids = new Set(holders.map(({ pid }) => pid));
  const swarms = new Set(holders.filter(({ processes }) => processes > 1).map(({ name }) => name));
  const rest = tasks.filter(({ pid, comm }) => !pids.has(pid) && !swarms.has(comm));
  return { processes: rest.length, bytes: rest.reduce((sum, task) => sum + sizeOf(task), 0) };
}
