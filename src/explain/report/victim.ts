/** Finds the processes that were killed, and collects their figures from all lines of the report. */
import { ownerOf } from '../../containers/container-path.ts';
import { isAtLeast, parseKernelVersion } from '../../kernel-facts/version.ts';
import type { ReportVictim } from '../../model/oom-report.ts';
import type { OpenReport } from '../input/open-report.ts';
import type { Of } from '../lines/parsed-line.ts';
import type { Table } from './tasks.ts';

/**
 * The victims are the processes in the "Killed process" lines. When the log lacks these lines, the victim is the
 * process in the line of oom_reaper, in the "oom-kill:" summary or in the "Kill process" line.
 */
export function victimsOf(open: OpenReport, table: Table): ReportVictim[] {
  if (open.kills.length > 0) return open.kills.map((kill) => victimOf(kill, open, table, false));
  const inferred = inferredKill(open);
  return inferred ? [victimOf(inferred, open, table, true)] : [];
}

/**
 * null: the line lacks a part of the sum. From Linux 4.5 on the kernel prints shared memory separately, so a line
 * without shmem-rss is incomplete.
 */
function rssOf({ kib, cut }: Of<'killed'>, { cpu }: OpenReport): number | null {
  const { 'anon-rss': anon, 'file-rss': file, 'shmem-rss': shmem } = kib;
  if (anon === undefined || file === undefined) return null;
  if (shmem !== undefined) return (anon + file + shmem) * 1024;
  if (cut) return null;
  const version = cpu?.kernel == null ? undefined : parseKernelVersion(cpu.kernel);
  return version && isAtLeast(version, [4, 5]) ? null : (anon + file) * 1024;
}

function inferredKill({ summary, chosen, reaped }: OpenReport): Of<'killed'> | undefined {
  const [reaper] = reaped.values();
  const named = summary?.pid != null && summary.comm !== null ? { pid: summary.pid, comm: summary.comm } : undefined;
  const found = reaper ?? named ?? chosen;
  if (!found) return undefined;
  const { pid, comm } = found;
  return {
    is: 'killed',
    why: chosen?.pid === pid ? chosen.why : null,
    pid,
    comm,
    uid: null,
    kib: {},
    adj: null,
    cut: true,
  };
}

/** Combines the kill line, the summary, the "Kill process" line, the oom_reaper line and the row of the task table. */
function victimOf(kill: Of<'killed'>, open: OpenReport, { tasks }: Table, inferred: boolean): ReportVictim {
  const row = tasks.find(({ tid }) => tid === kill.pid);
  const { summary, chosen } = open;
  const bytes = (kib: number | null | undefined) => (kib == null ? null : kib * 1024);
  const anon = bytes(kill.kib['anon-rss']);
  const file = bytes(kill.kib['file-rss']);
  const shmem = bytes(kill.kib['shmem-rss']);
  const reaped = open.reaped.get(kill.pid);
  const first = open.kills[0] === kill || inferred;
  const named = summary && (summary.pid === kill.pid || summary.pid === row?.pid);
  const cgroup = (named ? summary.task : null) ?? (first ? (open.taskIn?.task ?? null) : null);
  const own = chosen?.pid === kill.pid || chosen?.pid === row?.pid;
  return {
    pid: row?.pid ?? (named ? (summary.pid ?? kill.pid) : kill.pid),
    tid: kill.pid,
    uid: kill.uid ?? (named ? summary.uid : null) ?? row?.uid ?? null,
    comm: kill.comm,
    inferred,
    chosen: first && chosen && !own ? { pid: chosen.pid, comm: chosen.comm } : null,
    reason: kill.why ?? (first ? (chosen?.why ?? null) : null),
    oom_score_adj: kill.adj ?? row?.oom_score_adj ?? null,
    memory: {
      total_vm_bytes: bytes(kill.kib['total-vm']) ?? row?.total_vm_bytes ?? null,
      rss_bytes: rssOf(kill, open) ?? row?.rss_bytes ?? null,
      anon_rss_bytes: anon,
      file_rss_bytes: file,
      shmem_rss_bytes: shmem,
      swap_bytes: row?.swap_bytes ?? null,
      page_tables_bytes: bytes(kill.kib.pgtables) ?? row?.page_tables_bytes ?? null,
    },
    cgroup,
    ...ownerOf(cgroup),
    score: first ? (chosen?.score ?? null) : null,
    reaped:
      reaped && reaped.anon !== null && reaped.file !== null && reaped.shmem !== null
        ? {
            anon_rss_bytes: reaped.anon * 1024,
            file_rss_bytes: reaped.file * 1024,
            shmem_rss_bytes: reaped.shmem * 1024,
          }
        : null,
  };
}
