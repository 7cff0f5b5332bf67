import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readDyingProcess } from '../../src/linux/dying-process.ts';

test('reads a live process, and returns only undefined after its exit', async () => {
  const child = spawn('sleep', ['1000']);
  const pid = child.pid ?? 0;
  await once(child, 'spawn');
  const found = await readDyingProcess(pid, pid);
  expect(found.cmdline?.toString()).toBe('sleep\x001000\0');
  expect(found.exe).toMatch(/\/(sleep|coreutils|busybox)$/);
  expect(found).toMatchObject({ comm: 'sleep', ppid: process.pid });
  expect(found.startTicks).toBeGreaterThan(0);
  expect(found.cgroup).toMatch(/^\//);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await readDyingProcess(pid, pid)).toEqual({});
});

test('returns the fields of readable files if other files cannot be read', async () => {
  const proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
  try {
    mkdirSync(join(proc, '7', 'task', '8'), { recursive: true });
    writeFileSync(join(proc, '7', 'task', '8', 'cmdline'), '');
    writeFileSync(join(proc, '7', 'stat'), '7 (a) S 1 100 100 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 987654 1 2');
    symlinkSync('/usr/bin/a (deleted)', join(proc, '7', 'task', '8', 'exe'));
    expect(await readDyingProcess(7, 8, proc)).toMatchObject({
      ...{ startTicks: 987654, cmdline: undefined, exe: '/usr/bin/a (deleted)', cgroup: undefined },
    });
  } finally {
    rmSync(proc, { recursive: true });
  }
});
