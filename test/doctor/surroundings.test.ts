import { expect, test } from 'vitest';
import { surroundings } from '../../src/doctor/diagnose.ts';
import { madeProcess, madeRoot, meminfo } from './made-root.ts';

/** The findings on a machine with these files, by name. */
function severities(files: Record<string, string>) {
  using root = madeRoot(files);
  return Object.fromEntries(surroundings(root.path).map((finding) => [finding.name, finding]));
}
const sysctl = (name: string, value: number) => ({ [`/proc/sys/${name.replaceAll('.', '/')}`]: `${value}\n` });
const SWAP = 'Filename Type Size Used Priority\n/dev/sda2 partition 1024 0 -2\n';

test.each([
  ['vm.panic_on_oom', 0, 'ok'],
  ['vm.panic_on_oom', 2, 'critical'],
  ['vm.oom_kill_allocating_task', 0, 'ok'],
  ['vm.oom_kill_allocating_task', 1, 'warning'],
  ['vm.oom_dump_tasks', 0, 'warning'],
  ['vm.overcommit_memory', 0, 'ok'],
  ['vm.overcommit_memory', 1, 'info'],
  ['vm.overcommit_memory', 7, 'unknown'],
  ['vm.vfs_cache_pressure', 0, 'critical'],
  ['kernel.unprivileged_bpf_disabled', 0, 'warning'],
] as const)('%s = %i is %s', (name, value, severity) => {
  expect(severities(sysctl(name, value))[name]?.severity).toBe(severity);
});

test('a panic with a reboot (kernel.panic) is a warning, a panic without a reboot is critical', () => {
  const panics = sysctl('vm.panic_on_oom', 1);
  expect(severities({ ...panics, ...sysctl('kernel.panic', 10) })['vm.panic_on_oom']?.severity).toBe('warning');
  expect(severities({ ...panics, ...sysctl('kernel.panic', 0) })['vm.panic_on_oom']?.severity).toBe('critical');
});

test('strict overcommit is critical when nearly all of the commit limit is used', () => {
  const strict = (committed: number) => ({
    ...sysctl('vm.overcommit_memory', 2),
    ...sysctl('vm.overcommit_ratio', 50),
    '/proc/meminfo': meminfo({ MemTotal: 1000, CommitLimit: 1000, Committed_AS: committed }),
  });
  expect(severities(strict(500))['vm.overcommit_memory']?.severity).toBe('warning');
  const tight = severities(strict(950))['vm.overcommit_memory'];
  expect(tight?.severity).toBe('critical');
  expect(tight?.reason).toContain('swap + 50 % of RAM');
  expect(tight?.reason).toContain('95 % of CommitLimit');
});

test('a setting that is missing or not a number is a finding of severity unknown', () => {
  const found = severities({ '/proc/sys/vm/panic_on_oom': 'many\u001b[31m\n' });
  expect(found['vm.panic_on_oom']?.severity).toBe('unknown');
  expect(found['vm.swappiness']?.severity).toBe('unknown');
  expect(found.available?.severity).toBe('unknown');
});

test('swappiness 0 is a warning only on a machine with swap', () => {
  expect(severities(sysctl('vm.swappiness', 0))['vm.swappiness']?.severity).toBe('info');
  const none = { ...sysctl('vm.swappiness', 0), '/proc/swaps': SWAP };
  expect(severities(none)['vm.swappiness']?.severity).toBe('warning');
  expect(severities({ ...none, ...sysctl('vm.swappiness', 60) })['vm.swappiness']?.severity).toBe('ok');
});

test('the warning about full swap advises against swapoff', () => {
  const swap = severities({
    '/proc/swaps': SWAP,
    '/proc/meminfo': meminfo({ MemTotal: 1000, MemAvailable: 900, SwapTotal: 1000, SwapFree: 50 }),
  }).swap;
  expect(swap?.severity).toBe('warning');
  expect(swap?.reason).toContain('swapoff');
});

test('the finding on available memory names slab and tmpfs, which no kill can free', () => {
  const base = { MemTotal: 1000, MemAvailable: 300 };
  expect(severities({ '/proc/meminfo': meminfo({ ...base, SUnreclaim: 400 }) }).available?.reason).toContain(
    "kernel's own",
  );
  expect(severities({ '/proc/meminfo': meminfo({ ...base, Shmem: 400 }) }).available?.reason).toContain('tmpfs');
  expect(severities({ '/proc/meminfo': meminfo({ ...base, MemAvailable: 30 }) }).available?.severity).toBe('critical');
});

test('reserved huge pages are counted in pages, not in kB', () => {
  const pages = severities({
    '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never\n',
    '/proc/meminfo': 'AnonHugePages:    307200 kB\nHugePages_Total:      16\n',
  })['huge pages'];
  expect(pages?.found).toBe('madvise, 16 reserved');
});

test('warns about unprotected services, and about large processes with oom_score_adj -1000', () => {
  const total = { '/proc/meminfo': meminfo({ MemTotal: 1_000_000, MemAvailable: 900_000 }) };
  const found = severities({
    ...total,
    ...madeProcess(10, 'sshd', -1000, 5000),
    ...madeProcess(11, 'sshd', 0, 5000), // a session
    ...madeProcess(20, 'postgres', 0, 5000),
    ...madeProcess(30, 'hog', -1000, 300_000),
    ...madeProcess(40, 'browser', 800, 5000),
  });
  expect(found.sshd?.severity).toBe('ok');
  expect(found.postgres?.severity).toBe('warning');
  expect(found.postgres?.remedy).toContain('choom -p 20 -n -900');
  expect(severities({ ...total, ...madeProcess(10, 'sshd', 0, 5000) }).sshd?.remedy).toMatch(/^systemctl restart ssh/);
  expect(found.hog?.severity).toBe('warning');
  expect(found['killed first']?.found).toContain('browser');
});

test('lists early killers with the thresholds in their options', () => {
  const found = severities({
    ...madeProcess(10, 'earlyoom', -100, 1800, ['/usr/bin/earlyoom', '-m', '4,2', '-r', '3600']),
    ...madeProcess(11, 'psi-notify', 0, 1800),
    ...madeProcess(12, 'constructor', 0, 1800), // a property that every object has
  });
  expect(found.earlyoom?.severity).toBe('warning');
  expect(found.earlyoom?.found).toContain('at most 4 % of memory is available and at most 10 % of swap');
  expect(found['psi-notify']?.severity).toBe('info');
  expect(found.constructor).toBe(Object);
});

test('reads a process with a line feed in its name as one process', () => {
  const found = severities({
    '/proc/meminfo': meminfo({ MemTotal: 1000 }),
    ...madeProcess(9, 'two\nlines', -1000, 900),
  });
  expect(found['two\nlines']?.found).toContain('pid 9');
});
