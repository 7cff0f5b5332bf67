import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryCgroup, readProcess, startTicks } from '../../src/linux/process.ts';

const rest = 'S 1 100 100 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 987654 1 2';

test.each(['node', 'a b', ') (', '(sd-pam)', ')', 'x) R 1 2', ''])('start ticks of a process named "%s"', (name) => {
  expect(startTicks(`100 (${name}) ${rest}`)).toBe(987654);
});

test('start ticks of what is no stat', () => {
  expect(startTicks('')).toBeUndefined();
});

test('the memory cgroup, on v1, v2 and both at once', () => {
  expect(memoryCgroup('0::/user.slice/a.scope\n')).toBe('/user.slice/a.scope');
  expect(memoryCgroup('5:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/y\n')).toBe('/docker/abc');
  expect(memoryCgroup('3:hugetlb,memory:/both\n0::/unified\n')).toBe('/both');
  expect(memoryCgroup('2:cpu:/x\n0::/unified\n')).toBe('/unified');
  expect(memoryCgroup('4:memory:/with:colon\n')).toBe('/with:colon');
  expect(memoryCgroup('2:cpu:/x\n')).toBeUndefined();
  expect(memoryCgroup('')).toBeUndefined();
});

test('a live process, then the same one gone', async () => {
  const child = spawn('sleep', ['1000']);
  const pid = child.pid ?? 0;
  await once(child, 'spawn');
  const files = await readProcess(pid, pid);
  expect(files.cmdline?.toString()).toBe('sleep\x001000\0');
  expect(files.exe).toMatch(/\/(sleep|coreutils|busybox)$/);
  expect(files.startTicks).toBeGreaterThan(0);
  expect(files.cgroup).toMatch(/^\//);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await readProcess(pid, pid)).toEqual({});
});

test('files that can be read count, though others cannot', async () => {
  const proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
  try {
    mkdirSync(join(proc, '7', 'task', '8'), { recursive: true });
    writeFileSync(join(proc, '7', 'task', '8', 'cmdline'), '');
    writeFileSync(join(proc, '7', 'stat'), `7 (a) ${rest}`);
    symlinkSync('/usr/bin/a (deleted)', join(proc, '7', 'task', '8', 'exe'));
    expect(await readProcess(7, 8, proc)).toMatchObject({
      ...{ startTicks: 987654, cmdline: undefined, exe: '/usr/bin/a (deleted)', cgroup: undefined },
    });
  } finally {
    rmSync(proc, { recursive: true });
  }
});
