/**
 * Checks the kernel settings that decide what happens when memory runs out (Documentation/admin-guide/sysctl/vm.rst).
 */
import { numberOf } from '../linux/small-file.ts';
import { formatShare } from '../text/format.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';

const { ok, info, warning, critical, unknown } = findingsOf('kernel');

type Judge = (value: number, name: string, read: Read) => Finding;

/** The checks of sysctls, by the name of the sysctl. */
const settings: Record<string, Judge> = {
  'vm.panic_on_oom': (value, name, read) => {
    if (value === 0) return ok(name, '0: the kernel kills a process, and the machine keeps running');
    const reboots = Number(read('/proc/sys/kernel/panic') ?? 0) !== 0;
    const after = reboots
      ? 'the machine then reboots (kernel.panic)'
      : 'the machine then stays down: kernel.panic is 0';
    if (value === 1) {
      const reason = `The kernel panics instead of killing a process when the whole system runs out of memory; ${after}. At the limit of a cgroup the kernel still kills a process.`;
      return (reboots ? warning : critical)(name, '1: panic', reason, 'sysctl -w vm.panic_on_oom=0');
    }
    const reason = `The kernel panics at every OOM, even when only one container reaches its limit; ${after}.`;
    return critical(name, `${value}: panic, always`, reason, 'sysctl -w vm.panic_on_oom=0');
  },
  'vm.oom_kill_allocating_task': (value, name) =>
    value === 0
      ? ok(name, '0: the process with the highest badness is chosen')
      : warning(
          name,
          `${value}: the allocating task is killed`,
          'The kernel kills the task that happens to allocate, not the process that holds the memory; oom_score_adj has no effect, except for -1000.',
          'sysctl -w vm.oom_kill_allocating_task=0',
        ),
  'vm.oom_dump_tasks': (value, name) =>
    value !== 0
      ? ok(name, `${value}: OOM reports list all processes`)
      : warning(
          name,
          '0: OOM reports have no table of processes',
          'After an OOM the log does not say which processes held the memory.',
          'sysctl -w vm.oom_dump_tasks=1',
        ),
  'vm.overcommit_memory': judgeOvercommit,
  'vm.swappiness': (value, name, read) => {
    const swap = hasSwap(read);
    if (!swap) return info(name, `${value}`, 'Without swap this setting has no effect.');
    if (value === 0)
      return warning(
        name,
        '0',
        'The kernel swaps anonymous memory out only when hardly any file pages are left: too late to avoid stalls.',
        'sysctl -w vm.swappiness=60',
      );
    if (value > 100 && !/^\/dev\/zram/m.test(read('/proc/swaps') ?? ''))
      return info(
        name,
        `${value}`,
        'Above 100 the kernel assumes that swapping is faster than reading files again, which is true for zram but not for a disk.',
      );
    return ok(name, `${value} (of 0 to 200)`);
  },
  'vm.min_free_kbytes': (value, name, read) => {
    const total = meminfo(read, 'MemTotal');
    const share = total ? value / total : 0;
    if (share > 0.05) {
      const reason = `The kernel reserves ${formatShare(share)} of the memory for itself, so an OOM happens that much earlier.`;
      return warning(name, `${value} KiB`, reason, 'sysctl -w vm.min_free_kbytes=… (1 % or less)');
    }
    return ok(
      name,
      `${value} KiB`,
      total ? `The kernel reserves ${formatShare(share)} of the memory for itself.` : null,
    );
  },
  'vm.watermark_scale_factor': (value, name) =>
    info(name, `${value}`, `kswapd reclaims until ${value / 100} % of each zone is free above its minimum.`),
  'vm.admin_reserve_kbytes': (value, name, read) => reserve(value, name, read, 'root'),
  'vm.user_reserve_kbytes': (value, name, read) => reserve(value, name, read, "the user's other processes"),
  'vm.vfs_cache_pressure': (value, name) =>
    value === 0
      ? critical(
          name,
          '0',
          'The kernel never reclaims cached directory entries and inodes, so they can fill the memory.',
          'sysctl -w vm.vfs_cache_pressure=100',
        )
      : ok(name, `${value}`),
  'kernel.dmesg_restrict': (value, name) =>
    value === 0
      ? info(name, '0: every user may read the kernel log')
      : info(name, `${value}`, 'Reading the kernel log needs CAP_SYSLOG; `oomscope trace` does not read it.'),
  'kernel.unprivileged_bpf_disabled': (value, name) =>
    value === 0
      ? warning(
          name,
          '0',
          'Every user may load BPF programs. Attackers have used this to take over the kernel, and oomscope does not need it.',
          'sysctl -w kernel.unprivileged_bpf_disabled=2',
        )
      : ok(name, `${value}`),
};

export function kernelSettings(read: Read): Finding[] {
  const found = Object.entries(settings).map(([name, judge]) => {
    const text = read(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim();
    if (text === undefined) return unknown(name, 'missing or not readable');
    if (!/^-?\d+$/.test(text)) return unknown(name, `"${text}"`, 'The check expected a whole number.');
    return judge(Number(text), name, read);
  });
  return [...found, ...bootParameters(read)];
}

/** vm.overcommit_memory: the kernel applies it in __vm_enough_memory(), mm/util.c. */
function judgeOvercommit(value: number, name: string, read: Read): Finding {
  const limit = meminfo(read, 'CommitLimit');
  const committed = meminfo(read, 'Committed_AS');
  const share = limit && committed !== undefined ? committed / limit : undefined;
  const sum =
    limit === undefined || committed === undefined
      ? ''
      : ` Committed so far: ${gib(committed)}, ${formatShare(share as number)} of CommitLimit (${gib(limit)}).`;
  if (value === 0)
    return ok(name, '0: heuristic', `The kernel refuses only requests that are obviously too large.${sum}`);
  if (value === 1)
    return info(
      name,
      '1: always',
      `The kernel refuses no request. When memory is short, malloc() still succeeds, and an OOM kill follows when a program uses the memory.${sum}`,
    );
  if (value !== 2) return unknown(name, `${value}`, 'oomscope does not know this mode.');
  const kbytes = Number(read('/proc/sys/vm/overcommit_kbytes') ?? 0);
  const rule = kbytes > 0 ? `swap + ${kbytes} KiB` : `swap + ${read('/proc/sys/vm/overcommit_ratio')?.trim()} % of RAM`;
  const reason = `malloc() fails beyond ${rule}: programs fail with their own "out of memory" error, and the log has no OOM kill.${sum}`;
  const remedy = 'sysctl -w vm.overcommit_ratio=… (higher), more swap, or vm.overcommit_memory=0';
  if (share !== undefined && share > 0.9) return critical(name, '2: strict', reason, remedy);
  return warning(name, '2: strict', reason, remedy);
}

function reserve(value: number, name: string, read: Read, whom: string): Finding {
  const strict = read('/proc/sys/vm/overcommit_memory')?.trim() === '2';
  const reason = strict
    ? `The kernel keeps this much of the commit limit for ${whom}.`
    : 'This setting has an effect only with vm.overcommit_memory=2, which this machine does not use.';
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

/** A field of /proc/meminfo, in KiB; HugePages_* fields are numbers of pages. */
export const meminfo = (read: Read, name: string) => numberOf(Buffer.from(read('/proc/meminfo') ?? ''), `${name}:`);

/** True when /proc/swaps lists a swap area; its first line is the heading. */
export function hasSwap(read: Read): boolean {
  return (read('/proc/swaps')?.trim().split('\n').length ?? 0) > 1;
}
