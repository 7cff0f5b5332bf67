/** Finds other early killers, such as earlyoom, and describes when each of them kills. */
import { type Finding, findingsOf, type Read } from './finding.ts';
import type { DoctorProcess } from './processes.ts';

const { ok, info, warning } = findingsOf('killers');

/** The known early killers by `comm` (at most 15 characters), each with a description of when it kills. */
const killers: Record<string, (process: DoctorProcess, read: Read) => string> = {
  earlyoom: ({ args: argv }) => {
    const percent = (option: string) => argv[argv.indexOf(option) + 1]?.split(',')[0];
    const memory = argv.includes('-m') ? percent('-m') : '10';
    const swap = argv.includes('-s') ? percent('-s') : '10';
    return `SIGTERM when at most ${memory} % of memory is available and at most ${swap} % of swap is free, SIGKILL at half of that`;
  },
  'systemd-oomd': (_, read) => {
    const set = /^\s*SwapUsedLimit\s*=\s*(\S+)/m.exec(read('/etc/systemd/oomd.conf') ?? '')?.[1] ?? '90%';
    return `SIGKILL to a whole cgroup with ManagedOOM… set: memory and swap used above ${set}, or by pressure`;
  },
  nohang: () => 'SIGTERM and SIGKILL by available memory, free swap and, if so configured, pressure',
  oomd: () => 'SIGKILL to whole cgroups by the rules in its configuration',
  bustd: () => 'SIGKILL by available memory and pressure',
  'psi-notify': () => 'notifies only, kills no process',
};

export function killersAtWork(processes: DoctorProcess[], read: Read): Finding[] {
  const found = processes.flatMap((process) => {
    const describe = Object.hasOwn(killers, process.comm) ? killers[process.comm] : undefined;
    if (!describe) return [];
    const what = describe(process, read);
    const harmless = process.comm === 'psi-notify';
    return [
      (harmless ? info : warning)(
        process.comm,
        `pid ${process.pid}: ${what}`,
        harmless
          ? null
          : 'Two early killers may both kill a process in the same shortage of memory: run only one of them.',
      ),
    ];
  });
  return found.length > 0
    ? found
    : [ok('early killers', 'none found', 'Only the kernel kills, when it can reclaim no more memory.')];
}
