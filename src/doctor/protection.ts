/** Checks oom_score_adj: finds unprotected processes that need protection, and large ones that can never be killed. */
import { SYSTEM_ADJ, serviceLines, survivorOf, survivorsOf } from '../survivors/survivors.ts';
import { formatBytes } from '../text/format.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';
import { meminfo } from './kernel-settings.ts';
import type { DoctorProcess } from './processes.ts';

const { ok, info, warning } = findingsOf('protection');

export function protection(processes: DoctorProcess[], read: Read): Finding[] {
  const total = (meminfo(read, 'MemTotal') ?? 0) * 1024;
  return [...unkillable(processes, total), ...unprotected(processes), ...preferred(processes)];
}

/** Processes with oom_score_adj -1000, which the kernel never kills (mm/oom_kill.c: oom_badness). */
function unkillable(processes: DoctorProcess[], totalBytes: number): Finding[] {
  const immune = processes.filter(({ oomScoreAdj, pid }) => oomScoreAdj <= -1000 && pid !== 1);
  const sum = immune.reduce((bytes, { rssBytes }) => bytes + rssBytes, 0);
  const found = immune.length === 0 ? 'none' : `${immune.length} processes, ${formatBytes(sum)}: ${names(immune)}`;
  const big = immune.filter(({ rssBytes }) => totalBytes > 0 && rssBytes > totalBytes * 0.1);
  const hogs = big.map(({ comm, pid, rssBytes }) =>
    warning(
      comm,
      `pid ${pid}, oom_score_adj -1000, ${formatBytes(rssBytes)}`,
      'This process is large and can never be killed. If it grows, the kernel kills all other processes, and then the machine hangs.',
      `choom -p ${pid} -n ${SYSTEM_ADJ}`,
    ),
  );
  return [
    ok(
      'never killed',
      found,
      'These processes have oom_score_adj -1000. The kernel does not kill init and its own threads either.',
    ),
    ...hogs,
  ];
}

function unprotected(processes: DoctorProcess[]): Finding[] {
  return survivorsOf('access', 'containers', 'database').flatMap((survivor) => {
    const { adj, why, units } = survivor;
    const unit = units[0]?.replace(/\.service$/, '');
    if (adj === null || unit === undefined) return [];
    // The process with the lowest value decides: sshd protects its listener, but not its sessions.
    const own = processes.filter(({ comm }) => survivorOf(comm) === survivor);
    if (own.length === 0) return [];
    const lowest = own.reduce((least, process) => (process.oomScoreAdj < least.oomScoreAdj ? process : least));
    const found = `pid ${lowest.pid}, oom_score_adj ${lowest.oomScoreAdj}`;
    if (lowest.oomScoreAdj < 0) return [ok(lowest.comm, found)];
    const remedy =
      survivor.setBy === 'program'
        ? `systemctl restart ${unit}: it sets ${adj} itself when it starts as root`
        : `systemctl edit ${unit}: [Service] ${serviceLines(survivor).join(' ')} (or now: choom -p ${lowest.pid} -n ${adj})`;
    return [warning(lowest.comm, `${found}: not protected`, why, remedy)];
  });
}

function preferred(processes: DoctorProcess[]): Finding[] {
  const first = processes.filter(({ oomScoreAdj }) => oomScoreAdj >= 500);
  if (first.length === 0) return [];
  return [
    info(
      'killed first',
      `${first.length} processes: ${names(first)}`,
      'These processes have oom_score_adj 500 or more.',
    ),
  ];
}

function names(processes: DoctorProcess[]): string {
  const distinct = [...new Set(processes.map(({ comm }) => comm))];
  return distinct.length > 6
    ? `${distinct.slice(0, 6).join(', ')} and ${distinct.length - 6} more`
    : distinct.join(', ');
}
