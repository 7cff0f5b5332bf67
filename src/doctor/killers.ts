/** Checks for other early killers, and says when each would kill. Two of them may kill twice for one shortage. */
import { type Finding, findingsOf, type Read } from './finding.ts';
import type { DoctorProcess } from './processes.ts';

const { ok, info, warning } = findingsOf('killers');

/** By comm (at most 15 characters): what each does with its defaults. */
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
        harmless ? null : 'With two early killers one shortage can cost two processes: run only one of them.',
      ),
    ];
  });
  return found.length > 0
    ? found
    : [ok('early killers', 'none found', 'The kernel kills when it can reclaim no more memory.')];
}
