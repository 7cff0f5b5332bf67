/** The processes that a report says were killed. */
import { ownerOf } from '../../containers/container-path.ts';
import type { ReportVictim } from '../../model/oom-report.ts';
import type { OpenReport } from '../input/open-report.ts';
import type { Of } from '../lines/parsed-line.ts';
import type { Table } from './tasks.ts';

/** From the kill line, the summary, the score line, the reaper's line and the row of the task table. */
export function victimOf(kill: Of<'killed'>, open: OpenReport, { tasks }: Table): ReportVictim {
  const row = tasks.find(({ tid }) => tid === kill.pid);
  const { summary, chosen } = open;
  const bytes = (kib: number | undefined) => (kib === undefined ? null : kib * 1024);
  const anon = bytes(kill.kib['anon-rss']);
  const file = bytes(kill.kib['file-rss']);
  const shmem = bytes(kill.kib['shmem-rss']);
  const reaped = open.reaped.get(kill.pid);
  const named = summary && (summary.pid === kill.pid || summary.pid === row?.pid);
  const cgroup = (named ? summary.task : null) ?? (open.kills[0] === kill ? (open.taskIn?.task ?? null) : null);
  return {
    pid: row?.pid ?? (named ? summary.pid : kill.pid),
    tid: kill.pid,
    uid: kill.uid ?? (named ? summary.uid : null) ?? row?.uid ?? null,
    comm: kill.comm,
    reason: kill.why ?? (chosen?.pid === kill.pid ? chosen.why : null),
    oom_score_adj: kill.adj ?? row?.oom_score_adj ?? null,
    memory: {
      total_vm_bytes: bytes(kill.kib['total-vm']) ?? row?.total_vm_bytes ?? null,
      rss_bytes: anon !== null && file !== null ? anon + file + (shmem ?? 0) : (row?.rss_bytes ?? null),
      anon_rss_bytes: anon,
      file_rss_bytes: file,
      shmem_rss_bytes: shmem,
      swap_bytes: row?.swap_bytes ?? null,
      page_tables_bytes: bytes(kill.kib.pgtables) ?? row?.page_tables_bytes ?? null,
    },
    cgroup,
    ...ownerOf(cgroup),
    score: chosen?.pid === kill.pid ? chosen.score : null,
    reaped: reaped
      ? { anon_rss_bytes: reaped.anon * 1024, file_rss_bytes: reaped.file * 1024, shmem_rss_bytes: reaped.shmem * 1024 }
      : null,
  };
}
