/**
 * Who is protected from the OOM killer by oom_score_adj, who is not and should be, and who had better not be.
 */
import { formatBytes } from '../text/format.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';
import { meminfo } from './kernel-settings.ts';
import type { ProcessSummary } from './processes.ts';

const { ok, info, warning } = findingsOf('protection');

/** Without these a machine cannot be reached or loses data; -1000 is for none but the first two. By comm. */
const worthProtecting: Record<string, { unit: string; adj: number; why: string }> = {
  sshd: { unit: 'ssh', adj: -1000, why: 'Without it nobody can log in to see what happened.' },
  postgres: { unit: 'postgresql', adj: -500, why: 'When one of its processes is killed, it restarts all of them.' },
  mysqld: { unit: 'mysql', adj: -500, why: 'A kill ends all connections, and recovery takes minutes.' },
  mariadbd: { unit: 'mariadb', adj: -500, why: 'A kill ends all connections, and recovery takes minutes.' },
  mongod: { unit: 'mongod', adj: -500, why: 'A kill ends all connections, and recovery takes minutes.' },
  'redis-server': { unit: 'redis-server', adj: -500, why: 'What it has not written to disk is lost.' },
  dockerd: { unit: 'docker', adj: -500, why: 'Containers cannot be managed while it is gone.' },
  containerd: { unit: 'containerd', adj: -999, why: 'Containers cannot be managed while it is gone.' },
};

export function protection(processes: ProcessSummary[], read: Read): Finding[] {
  const total = (meminfo(read, 'MemTotal') ?? 0) * 1024;
  return [...unkillable(processes, total), ...unprotected(processes), ...preferred(processes)];
}

/** proc_oom_score() and oom_badness() in mm/oom_kill.c: -1000 takes a process out of the choice. */
function unkillable(processes: ProcessSummary[], totalBytes: number): Finding[] {
  const immune = processes.filter(({ oomScoreAdj, pid }) => oomScoreAdj <= -1000 && pid !== 1);
  const sum = immune.reduce((bytes, { rssBytes }) => bytes + rssBytes, 0);
  const found = immune.length === 0 ? 'none' : `${immune.length} processes, ${formatBytes(sum)}: ${names(immune)}`;
  const big = immune.filter(({ rssBytes }) => totalBytes > 0 && rssBytes > totalBytes * 0.1);
  const hogs = big.map(({ comm, pid, rssBytes }) =>
    warning(
      comm,
      `pid ${pid}, oom_score_adj -1000, ${formatBytes(rssBytes)}`,
      'It is large and can never be killed: when it is the one that grows, everything else is killed first, and then the machine stands still.',
      `choom -p ${pid} -n -900`,
    ),
  );
  return [ok('never killed', found, 'By oom_score_adj -1000; besides init and the kernel itself.'), ...hogs];
}

function unprotected(processes: ProcessSummary[]): Finding[] {
  return Object.entries(worthProtecting).flatMap(([comm, { unit, adj, why }]) => {
    // The listener is protected by sshd itself, and the sessions are not meant to be: the lowest value counts.
    const own = processes.filter((process) => process.comm === comm);
    if (own.length === 0) return [];
    const lowest = own.reduce((least, process) => (process.oomScoreAdj < least.oomScoreAdj ? process : least));
    const found = `pid ${lowest.pid}, oom_score_adj ${lowest.oomScoreAdj}`;
    if (lowest.oomScoreAdj < 0) return [ok(comm, found)];
    const remedy = `systemctl edit ${unit}: [Service] OOMScoreAdjust=${adj} (or now: choom -p ${lowest.pid} -n ${adj})`;
    return [warning(comm, `${found}: not protected`, why, remedy)];
  });
}

function preferred(processes: ProcessSummary[]): Finding[] {
  const first = processes.filter(({ oomScoreAdj }) => oomScoreAdj >= 500);
  if (first.length === 0) return [];
  return [info('killed first', `${first.length} processes: ${names(first)}`, 'By oom_score_adj 500 or more.')];
}

function names(processes: ProcessSummary[]): string {
  const distinct = [...new Set(processes.map(({ comm }) => comm))];
  return distinct.length > 6
    ? `${distinct.slice(0, 6).join(', ')} and ${distinct.length - 6} more`
    : distinct.join(', ');
}
