import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { ProcessTable } from '../../../src/guard/senses/process-table.ts';
import { pageBytes } from '../../../src/linux/page-size.ts';

const MIB = 2 ** 20;
let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
});
afterEach(() => rmSync(proc, { recursive: true }));

interface Made {
  comm?: string;
  state?: string;
  ticks?: number;
  flags?: number;
  mib?: number;
  swapKib?: number;
  pending?: string;
  adj?: number;
  cgroup?: string;
}

function put(pid: number, made: Made = {}): void {
  const { comm = 'a', state = 'S', ticks = 1, flags = 0, mib = 1, swapKib = 0, adj = 0, cgroup = '/a' } = made;
  const directory = join(proc, String(pid));
  mkdirSync(directory, { recursive: true });
  const numbers = [state, 2, 3, 3, 0, -1, flags, ...new Array(12).fill(0), ticks, 0, (mib * MIB) / pageBytes(), 0];
  writeFileSync(join(directory, 'stat'), `${pid} (${comm}) ${numbers.join(' ')}\n`);
  const lines = [
    ['Name', comm],
    ['Uid', '1000\t1000\t1000\t1000'],
    ['VmRSS', `${mib * 1024} kB`],
    ['VmPTE', '8 kB'],
    ['VmSwap', `${swapKib} kB`],
    ['SigPnd', '0000000000000000'],
    ['ShdPnd', made.pending ?? '0000000000000000'],
  ];
  writeFileSync(join(directory, 'status'), lines.map(([name, value]) => `${name}:\t${value}\n`).join(''));
  writeFileSync(join(directory, 'oom_score_adj'), `${adj}\n`);
  writeFileSync(join(directory, 'oom_score'), '700\n');
  writeFileSync(join(directory, 'cgroup'), `0::${cgroup}\n`);
  writeFileSync(join(directory, 'cmdline'), `${comm}\0--now\0`);
  rmSync(join(directory, 'exe'), { force: true });
  symlinkSync(`/bin/${comm}`, join(directory, 'exe'));
}

test('reads all files of a new process', () => {
  put(7, { comm: 'web', mib: 1, swapKib: 4, adj: 300, cgroup: '/system.slice/web.service' });
  const table = new ProcessTable({ proc, oomScore: true });
  expect(table.scan(0, false)).toEqual([
    {
      ...{ pid: 7, start_ticks: 1, ppid: 2, pgid: 3, uid: 1000, comm: 'web', exe: '/bin/web', cmdline: 'web --now' },
      ...{ state: 'S', dying: false, kernel_thread: false, oom_score: 700, oom_score_adj: 300 },
      ...{ rss_bytes: MIB, shmem_bytes: 0, swap_bytes: 4096, page_tables_bytes: 8192, growth_bytes_per_second: null },
      ...{ cgroup: '/system.slice/web.service', unit: 'web.service', pod: null, container: null },
    },
  ]);
});

test('reads all files of a small process only in every 16th scan, or after its name has changed', () => {
  put(7, { adj: 0 });
  const table = new ProcessTable({ proc });
  table.scan(0, false);
  put(7, { adj: 500, mib: 2 });
  expect(table.scan(1, false)).toMatchObject([{ oom_score_adj: 0, rss_bytes: 2 * MIB }]);
  expect(table.scan(2, true)).toMatchObject([{ oom_score_adj: 500 }]);
  put(7, { adj: 600, cgroup: '/b' });
  expect(table.scan(3, true)).toMatchObject([{ oom_score_adj: 600, cgroup: '/a' }]);
  put(7, { adj: 700, comm: 'b' });
  expect(table.scan(4, false)).toMatchObject([{ oom_score_adj: 700, comm: 'b', cmdline: 'b --now' }]);
  put(7, { adj: 800, comm: 'b', cgroup: '/c' });
  const turns = Array.from({ length: 16 }, (_, i) => table.scan(5 + i, false)[0]?.cgroup);
  expect(turns.at(-1)).toBe('/c');
});

test('reads a large process in every scan, and reads one process on request', () => {
  put(7, { mib: 64 });
  const table = new ProcessTable({ proc });
  table.scan(0, false);
  put(7, { mib: 64, adj: -5, cgroup: '/b' });
  expect(table.scan(1, false)).toMatchObject([{ oom_score_adj: -5, cgroup: '/b' }]);
  put(7, { mib: 64, adj: -5, cgroup: '/system.slice/c.service' });
  expect(table.read(7, 2)).toMatchObject({ cgroup: '/system.slice/c.service', unit: 'c.service' });
  expect(table.read(8, 2)).toBeUndefined();
});

test('a process that exits stays in its cgroup, although cgroup v1 shows it in "/"', () => {
  put(7, { mib: 64, cgroup: '/a' });
  const table = new ProcessTable({ proc });
  table.scan(0, false);
  put(7, { mib: 64, flags: 0x4, cgroup: '/' });
  expect(table.scan(1, false)).toMatchObject([{ dying: true, cgroup: '/a' }]);
  expect(table.read(7, 2)).toMatchObject({ dying: true, cgroup: '/a' });
  put(7, { mib: 64, cgroup: '/' });
  expect(table.scan(3, false)).toMatchObject([{ dying: false, cgroup: '/' }]);
});

test('a process is dying when it is exiting, is a zombie, or has SIGKILL pending', () => {
  put(1, { flags: 0x4 });
  put(2, { state: 'Z' });
  put(3, { pending: '0000000000000100' });
  put(4, { pending: '0000000000004000' });
  const dying = new ProcessTable({ proc }).scan(0, false).map((process) => [process.pid, process.dying]);
  expect(dying).toEqual([
    [1, true],
    [2, true],
    [3, true],
    [4, false],
  ]);
});

test('computes the growth of a large process, and starts again for another process that reuses its pid', () => {
  put(7, { mib: 100 });
  const table = new ProcessTable({ proc });
  for (let second = 0; second < 4; second++) {
    put(7, { mib: 100 + 10 * second });
    table.scan(second * 1000, false);
  }
  expect(table.read(7, 4000)?.growth_bytes_per_second).toBeGreaterThan(6 * MIB);
  put(7, { mib: 100, ticks: 9, comm: 'other' });
  expect(table.scan(5000, false)).toMatchObject([{ start_ticks: 9, comm: 'other', growth_bytes_per_second: null }]);
});

test('knows which processes run the same image', async () => {
  const shell = spawn('sh', ['-c', '(while sleep 0.1; do :; done) & echo $!; wait'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  const forked = Number(line);
  onTestFinished(() => {
    for (const pid of [forked, shell.pid as number]) process.kill(pid, 'SIGKILL');
  });
  const table = new ProcessTable();
  const image = (pid: number) => table.read(pid, 0)?.stack_start;
  expect(image(forked)).toBe(image(shell.pid as number));
  expect(image(forked)).not.toBe(image(process.pid));
  expect(table.read(forked, 0)).not.toHaveProperty('pid_namespace');
});

test.runIf(process.geteuid?.() === 0)('knows which process is process 1 of a pid namespace', async () => {
  const command = ['-pf', '--kill-child', 'sh', '-c', 'echo ready; sleep 30 & wait'];
  const outside = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void outside.kill('SIGKILL'));
  await once(outside.stdout, 'data');
  const table = new ProcessTable();
  const found = () => table.scan(0, false).filter(({ pid_namespace }) => pid_namespace);
  const init = () => found().find(({ ppid }) => ppid === outside.pid);
  const id = expect.stringMatching(/^pid:\[\d+\]$/);
  await expect.poll(init).toMatchObject({ comm: 'sh', pid_namespace: { id, init: true } });
  await expect
    .poll(() => found().find(({ ppid }) => ppid === init()?.pid))
    .toMatchObject({ comm: 'sleep', pid_namespace: { id: init()?.pid_namespace?.id, init: false } });
});

test('reads a kernel thread without memory values', () => {
  put(2, { flags: 0x00200000, comm: 'kthreadd' });
  expect(new ProcessTable({ proc }).scan(0, true)).toMatchObject([{ kernel_thread: true, uid: null, cgroup: null }]);
});

test('reads the working directory and the environment of a process where a rule needs them', () => {
  const child = spawn('sleep', ['60'], { cwd: proc, env: { JOB: 'batch' } });
  try {
    const table = new ProcessTable({ cwd: true, environ: true });
    expect(table.read(child.pid as number, 0)).toMatchObject({ cwd: proc, environ: ['JOB=batch'] });
    expect(new ProcessTable().read(child.pid as number, 0)).not.toHaveProperty('environ');
  } finally {
    child.kill('SIGKILL');
  }
});
