/** Checks the present state of memory: available memory, swap, zram, zswap, PSI, MGLRU and huge pages. */
import { readdirSync } from 'node:fs';
import { parsePressure } from '../linux/psi.ts';
import { formatBytes, formatPercent } from '../text/format.ts';
import { type Finding, findingsOf, type Read } from './finding.ts';
import { hasSwap, meminfo } from './kernel-settings.ts';

const { ok, info, warning, critical, unknown } = findingsOf('memory');

export function memory(read: Read, root = ''): Finding[] {
  return [available(read), swap(read), ...zram(read, root), zswap(read), psi(read), reclaimer(read), hugePages(read)];
}

const bytes = (kib: number) => formatBytes(kib * 1024);

function available(read: Read): Finding {
  const total = meminfo(read, 'MemTotal');
  const left = meminfo(read, 'MemAvailable');
  if (!total || left === undefined) return unknown('available', 'no MemAvailable in /proc/meminfo');
  const found = `${bytes(left)} of ${bytes(total)} (${formatPercent(left / total)})`;
  const kernel = meminfo(read, 'SUnreclaim') ?? 0;
  const shmem = meminfo(read, 'Shmem') ?? 0;
  if (left < total * 0.05)
    return critical('available', found, 'The kernel will soon have to kill a process.', 'oomscope scores');
  if (kernel > total * 0.25)
    return warning(
      'available',
      found,
      `${bytes(kernel)} are the kernel's own memory and cannot be reclaimed: killing processes will not help.`,
      'slabtop -s c lists the kernel caches',
    );
  if (shmem > total * 0.25)
    return warning(
      'available',
      found,
      `${bytes(shmem)} are tmpfs files and shared memory, which may remain when processes are killed.`,
      'df -t tmpfs and ipcs -m list this memory',
    );
  return left < total * 0.15
    ? warning('available', found, 'Less than 15 % of the memory is available.')
    : ok('available', found);
}

function swap(read: Read): Finding {
  if (!hasSwap(read))
    return warning(
      'swap',
      'none',
      'The kernel cannot move out memory that processes no longer use. Once memory is full, an OOM kill follows within milliseconds, without time to react.',
      'add swap, or zram (Debian: apt-get install zram-tools)',
    );
  const total = meminfo(read, 'SwapTotal') ?? 0;
  const free = meminfo(read, 'SwapFree') ?? 0;
  const found = `${bytes(total - free)} of ${bytes(total)} used`;
  if (free < total * 0.1)
    return warning(
      'swap',
      found,
      'Swap is almost full. Do not empty it with swapoff: that needs as much free memory as is in swap, and at an OOM the kernel kills swapoff first.',
      'add swap, or run fewer processes',
    );
  return ok('swap', found);
}

function zram(read: Read, root: string): Finding[] {
  let names: string[];
  try {
    names = readdirSync(`${root}/sys/block`).filter((name) => /^zram\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const stat = read(`/sys/block/${name}/mm_stat`)?.trim().split(/\s+/).map(Number);
    const [original, , used] = stat ?? [];
    if (original === undefined || used === undefined) return [];
    if (original === 0) return [info(name, 'empty')];
    return [info(name, `${formatBytes(original)} of pages in ${formatBytes(used)} of memory`)];
  });
}

function zswap(read: Read): Finding {
  const on = read('/sys/module/zswap/parameters/enabled')?.trim();
  if (on === undefined) return info('zswap', 'not in this kernel');
  if (on !== 'Y') return info('zswap', 'off');
  if (!hasSwap(read))
    return info(
      'zswap',
      'on, without effect',
      'zswap compresses pages on their way to swap, and this machine has no swap.',
    );
  return ok('zswap', `on, up to ${read('/sys/module/zswap/parameters/max_pool_percent')?.trim()} % of memory`);
}

function psi(read: Read): Finding {
  const text = read('/proc/pressure/memory');
  const pressure = parsePressure(text === undefined ? undefined : Buffer.from(text));
  if (!pressure) {
    const off = read('/proc/cmdline')?.includes('psi=0')
      ? 'the kernel was started with psi=0'
      : 'the kernel was built without PSI, or PSI is off';
    return warning(
      'PSI',
      `none: ${off}`,
      'The kernel does not measure how long tasks wait for memory, so early killers that use pressure do nothing.',
      'boot a kernel that has CONFIG_PSI=y, with the boot parameter psi=1',
    );
  }
  const { avg10, avg60 } = pressure.some;
  const found = `some avg10 ${avg10.toFixed(2)} %, avg60 ${avg60.toFixed(2)} %`;
  return avg10 > 10
    ? warning('PSI', found, 'Tasks are waiting for memory right now.', 'oomscope pressure')
    : ok('PSI', found);
}

function reclaimer(read: Read): Finding {
  const enabled = read('/sys/kernel/mm/lru_gen/enabled')?.trim();
  if (enabled === undefined || /^(0x0+|0)$/.test(enabled)) return info('MGLRU', 'off: active and inactive lists');
  const ttl = Number(read('/sys/kernel/mm/lru_gen/min_ttl_ms') ?? 0);
  if (ttl === 0) return ok('MGLRU', `on (${enabled}), min_ttl_ms 0`);
  return info(
    'MGLRU',
    `on (${enabled}), min_ttl_ms ${ttl}`,
    `When the pages used in the last ${ttl} ms do not fit in memory, the kernel calls the OOM killer, which is earlier than by default.`,
  );
}

function hugePages(read: Read): Finding {
  const mode = /\[(\w+)\]/.exec(read('/sys/kernel/mm/transparent_hugepage/enabled') ?? '')?.[1];
  if (mode === undefined) return info('huge pages', 'not in this kernel');
  const reserved = meminfo(read, 'HugePages_Total');
  return mode === 'always'
    ? info(
        'huge pages',
        'always',
        'With `always` a process can hold more memory than it uses; with `madvise` each program decides.',
      )
    : ok('huge pages', `${mode}${reserved ? `, ${reserved} reserved` : ''}`);
}
