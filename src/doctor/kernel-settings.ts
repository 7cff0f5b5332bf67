/**
 * The kernel's settings that decide how it behaves when memory runs out (Documentation/admin-guide/sysctl/vm.rst).
 */
import { meminfoNumber } from '../linux/system.ts';
import { formatShare } from '../text/format.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';

const { ok, info, warning, critical, unknown } = findingsOf('kernel');

type Judge = (value: number, name: string, read: Read) => Finding;

/** By name, as sysctl has it. */
const settings: Record<string, Judge> = {
  'vm.panic_on_oom': (value, name, read) => {
    if (value === 0) return ok(name, '0: a process is killed, the machine goes on');
    const reboots = Number(read('/proc/sys/kernel/panic') ?? 0) !== 0;
    const after = reboots ? 'it then reboots (kernel.panic)' : 'and it stays down: kernel.panic is 0';
    if (value === 1) {
      const reason = `The kernel panics instead of killing when the whole system runs out; ${after}. Cgroup limits still kill.`;
      return (reboots ? warning : critical)(name, '1: panic', reason, 'sysctl -w vm.panic_on_oom=0');
    }
    const reason = `The kernel panics at every OOM, also when one container reaches its own limit; ${after}.`;
    return critical(name, `${value}: panic, always`, reason, 'sysctl -w vm.panic_on_oom=0');
  },
  'vm.oom_kill_allocating_task': (value, name) =>
    value === 0
      ? ok(name, '0: the process with the highest badness is chosen')
      : warning(
          name,
          `${value}: whoever asks for memory is killed`,
          'The victim is the task that happens to allocate, not the one that holds the memory; oom_score_adj is ignored but for -1000.',
          'sysctl -w vm.oom_kill_allocating_task=0',
        ),
  'vm.oom_dump_tasks': (value, name) =>
    value !== 0
      ? ok(name, `${value}: reports list all processes`)
      : warning(
          name,
          '0: reports have no table of processes',
          'After an OOM nobody can tell who held the memory.',
          'sysctl -w vm.oom_dump_tasks=1',
        ),
  'vm.overcommit_memory': judgeOvercommit,
  'vm.swappiness': (value, name, read) => {
    const swap = hasSwap(read);
    if (!swap) return info(name, `${value}`, 'There is no swap: it has nothing to decide.');
    if (value === 0)
      return warning(
        name,
        '0',
        'Anonymous memory is swapped out only when file pages are all but gone: swap helps too late to avoid stalls.',
        'sysctl -w vm.swappiness=60',
      );
    if (value > 100 && !/^\/dev\/zram/m.test(read('/proc/swaps') ?? ''))
      return info(
        name,
        `${value}`,
        'Above 100 swap counts as cheaper than reading files again: true of zram, not of a disk.',
      );
    return ok(name, `${value} (of 0 to 200)`);
  },
  'vm.min_free_kbytes': (value, name, read) => {
    const total = meminfo(read, 'MemTotal');
    const share = total ? value / total : 0;
    if (share > 0.05) {
      const reason = `${formatShare(share)} of the memory is kept from processes: OOM comes that much earlier.`;
      return warning(name, `${value} KiB`, reason, 'sysctl -w vm.min_free_kbytes=… (1 % or less)');
    }
    return ok(name, `${value} KiB`, total ? `${formatShare(share)} of the memory is kept for the kernel.` : null);
  },
  'vm.watermark_scale_factor': (value, name) =>
    info(name, `${value}`, `kswapd works until ${value / 100} % of each zone is free above its minimum.`),
  'vm.admin_reserve_kbytes': (value, name, read) => reserve(value, name, read, 'root'),
  'vm.user_reserve_kbytes': (value, name, read) => reserve(value, name, read, "the user's other processes"),
  'vm.vfs_cache_pressure': (value, name) =>
    value === 0
      ? critical(
          name,
          '0',
          'The caches of directory entries and inodes are never given back: they can fill the memory.',
          'sysctl -w vm.vfs_cache_pressure=100',
        )
      : ok(name, `${value}`),
  'kernel.dmesg_restrict': (value, name) =>
    value === 0
      ? info(name, '0: anybody may read the kernel log')
      : info(name, `${value}`, 'Reading the kernel log takes CAP_SYSLOG; `oomscope trace` does not need it.'),
  'kernel.unprivileged_bpf_disabled': (value, name) =>
    value === 0
      ? warning(
          name,
          '0',
          'Anybody may load BPF programs, which has been a way into the kernel before; oomscope does not need it.',
          'sysctl -w kernel.unprivileged_bpf_disabled=2',
        )
      : ok(name, `${value}`),
};

export function kernelSettings(read: Read): Finding[] {
  const found = Object.entries(settings).map(([name, judge]) => {
    const text = read(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim();
    if (text === undefined) return unknown(name, 'not there, or not readable');
    if (!/^-?\d+$/.test(text)) return unknown(name, `"${text}"`, 'A whole number was expected.');
    return judge(Number(text), name, read);
  });
  return [...found, ...bootParameters(read)];
}

/** __vm_enough_memory() in mm/util.c. */
function judgeOvercommit(value: number, name: string, read: Read): Finding {
  const limit = meminfo(read, 'CommitLimit');
  const committed = meminfo(read, 'Committed_AS');
  const share = limit && committed !== undefined ? committed / limit : undefined;
  const sum =
    limit === undefined || committed === undefined
      ? ''
      : ` Promised so far: ${gib(committed)}, ${formatShare(share as number)} of CommitLimit (${gib(limit)}).`;
  if (value === 0) return ok(name, '0: heuristic', `Only an obviously impossible request is refused.${sum}`);
  if (value === 1)
    return info(
      name,
      '1: always',
      `No request is ever refused: memory that is not there shows only when it is touched, as an OOM kill.${sum}`,
    );
  if (value !== 2) return unknown(name, `${value}`, 'A mode that is not known.');
  const kbytes = Number(read('/proc/sys/vm/overcommit_kbytes') ?? 0);
  const rule = kbytes > 0 ? `swap + ${kbytes} KiB` : `swap + ${read('/proc/sys/vm/overcommit_ratio')?.trim()} % of RAM`;
  const reason = `malloc() fails beyond ${rule}: programs end with "out of memory" of their own, and no OOM kill is logged.${sum}`;
  const remedy = 'sysctl -w vm.overcommit_ratio=… (higher), more swap, or vm.overcommit_memory=0';
  if (share !== undefined && share > 0.9) return critical(name, '2: strict', reason, remedy);
  return warning(name, '2: strict', reason, remedy);
}

function reserve(value: number, name: string, read: Read, whom: string): Finding {
  const strict = read('/proc/sys/vm/overcommit_memory')?.trim() === '2';
  const reason = strict
    ? `Kept for ${whom} when memory is promised.`
    : 'Only used with vm.overcommit_memory=2: without effect here.';
  return info(name, `${value} KiB`, reason);
}

function bootParameters(read: Read): Finding[] {
  const given = read('/proc/cmdline')?.trim().split(/\s+/) ?? [];
  const found: Finding[] = [];
  if (given.some((word) => /^cgroup_disable=(.*,)?memory(,|$)/.test(word)))
    found.push(
      critical(
        'cgroup_disable',
        'memory',
        'The kernel was started without memory cgroups: no container or service can have a memory limit.',
        'remove cgroup_disable=memory from the boot parameters',
      ),
    );
  return found;
}

const gib = (kib: number) => `${(kib / 1048576).toFixed(1)} GiB`;

/** Of a line of /proc/meminfo: KiB, but for the numbers of huge pages. */
export const meminfo = (read: Read, name: string) => meminfoNumber(read('/proc/meminfo') ?? '', name);

/** The first line of /proc/swaps is the heading. */
export function hasSwap(read: Read): boolean {
  return (read('/proc/swaps')?.trim().split('\n').length ?? 0) > 1;
}
