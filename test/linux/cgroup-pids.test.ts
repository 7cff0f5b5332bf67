import { spawn } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { pidsBelow } from '../../src/linux/cgroup-pids.ts';
import { createMemoryGroup, MIB, oomKillsUnavailable } from '../kernel/memcg.ts';

it.skipIf(oomKillsUnavailable())('finds the processes of cgroups below, also where a name is not UTF-8', () => {
  const group = createMemoryGroup({ limitBytes: 64 * MIB });
  onTestFinished(() => group.remove());
  const child = Buffer.from(`${group.path}/caf\xe9`, 'latin1');
  mkdirSync(child);
  mkdirSync(join(group.path, 'a/b'), { recursive: true });
  const procs = [Buffer.concat([child, Buffer.from('/cgroup.procs')]), join(group.path, 'a/b/cgroup.procs')];
  const sleepers = procs.map((path) => {
    const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
    onTestFinished(async () => {
      sleeper.kill('SIGKILL');
      if (sleeper.signalCode === null) await new Promise((resolve) => sleeper.once('exit', resolve));
      if (path === procs[0]) rmdirSync(child);
    });
    writeFileSync(path, String(sleeper.pid));
    return sleeper.pid as number;
  });
  const found = pidsBelow(group.path);
  expect([[...found.pids].sort(), found.complete]).toEqual([sleepers.sort(), true]);
  expect(pidsBelow(`${group.path}/nowhere`)).toEqual({ pids: new Set(), complete: true });
});
