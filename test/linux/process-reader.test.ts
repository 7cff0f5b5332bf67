import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { pidsIn, processFiles, readProcess, startTicksOf } from '../../src/linux/process-reader.ts';
import { processAncestors } from '../../src/process/ancestors.ts';

test('combines the fields of all files of this process', () => {
  const found = readProcess(process.pid, [
    'stat',
    'status',
    'cmdline',
    'exe',
    'cgroup',
    'oom_score',
    'oom_score_adj',
    'comm',
  ]);
  expect(found).toMatchObject({
    pid: process.pid,
    ppid: process.ppid,
    uid: process.getuid?.(),
    comm: readFileSync('/proc/self/comm', 'utf8').trimEnd(),
    exe: process.execPath,
    args: expect.arrayContaining([process.execPath]),
    cgroup: expect.stringMatching(/^\//),
    oomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'latin1')),
    oomScore: expect.any(Number),
    kernelThread: false,
    exiting: false,
    killPending: false,
    hasMemory: true,
  });
  const { rssBytes = 0, anonBytes = 0, fileBytes = 0, shmemBytes = 0 } = found ?? {};
  expect(rssBytes).toBe(anonBytes + fileBytes + shmemBytes);
  expect(Math.abs(rssBytes - process.memoryUsage.rss())).toBeLessThan(rssBytes / 2);
  expect(found?.threads).toBeGreaterThan(1);
});

test('reads only the given files', () => {
  expect(readProcess(process.pid, ['oom_score_adj'])).toEqual({ pid: process.pid, oomScoreAdj: expect.any(Number) });
  expect(readProcess(process.pid, [])).toEqual({ pid: process.pid });
});

test('returns undefined for a process that has exited', async () => {
  const child = spawn('sleep', ['1000']);
  const pid = child.pid ?? 0;
  await once(child, 'spawn');
  expect(pidsIn('/proc').has(pid)).toBe(true);
  expect(startTicksOf(pid)).toBeGreaterThan(0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(pidsIn('/proc').has(pid)).toBe(false);
  expect(startTicksOf(pid)).toBeUndefined();
  expect(readProcess(pid, ['stat'])).toBeUndefined();
  expect(processFiles.exe(`/proc/${pid}`)).toEqual({ exe: null });
});

test('reads kthreadd as a kernel thread without memory and arguments', () => {
  expect(readProcess(2, ['stat', 'status', 'cmdline'])).toMatchObject({
    ...{ comm: 'kthreadd', kernelThread: true, hasMemory: false, args: [] },
  });
});

test('reads the stat file of a single thread', () => {
  expect(processFiles.stat(`/proc/self/task/${process.pid}`)).toMatchObject({ ppid: process.ppid });
});

test('lists the ancestors of a process, itself first, up to init', () => {
  const [self, parent, ...rest] = processAncestors();
  expect([self, parent]).toEqual([process.pid, process.ppid]);
  expect([parent, ...rest].at(-1)).toBe(1);
});
