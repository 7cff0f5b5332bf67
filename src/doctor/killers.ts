/**
 * Who else kills processes before the kernel does, and when. Two of them at work may kill twice for one shortage.
 */
import { type Finding, findingsOf, type Read } from './finding.ts';
import type { ProcessSummary } from './processes.ts';

const { ok, info, warning } = findingsOf('killers');

/** By comm, at most 15 characters. What each does with its own defaults. */
const killers: Record<string, (process: ProcessSummary, read: Read) => string> = {
  earlyoom: ({ arguments: argv }) => {
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
  oomd: () => 'SIGKILL to whole cgroups by the rules of its configuration',
  bustd: () => 'SIGKILL by available memory and pressure',
  'psi-notify': () => 'notifies only, kills nothing',
};

export function killersAtWork(processes: ProcessSummary[], read: Read): Finding[] {
  const found = processes.flatMap((process) => {
    const describe = Object.hasOwn(killers, process.comm) ? killers[process.comm] : undefined;
    if (!describe) return [];
    const what = describe(process, read);
    const harmless = process.comm === 'psi-notify';
    return [
      (harmless ? info : warning)(
        process.comm,
        `pid ${process.pid}: ${what}`,
        harmless ? null : 'With a second early killer one shortage can cost two processes: let one of them do it.',
      ),
    ];
  });
  return found.length > 0 ? found : [ok('early killers', 'none found', 'The kernel kills when nothing else is left.')];
}
