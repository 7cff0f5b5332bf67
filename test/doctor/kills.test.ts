import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { killed, loggedVictims } from '../../src/doctor/kills.ts';

const files: Record<string, string> = { '/proc/vmstat': 'nr_free 1\noom_kill 5960\n', '/proc/uptime': '36000.5 1.0\n' };
const read = (path: string) => files[path];

test('reports the kills since boot with their rate and their victims when no cgroup with a kill exists any more', () => {
  const victims = ['hog', 'node', 'hog', 'evil\x1b[2J'];
  expect(killed([{ path: '/shop', kills: 0 }], read, victims)).toMatchObject([
    {
      severity: 'warning',
      found: '5960 since boot (596 an hour for 10 h), none of them in a cgroup that still exists',
      reason: 'The log of the kernel names hog (2), node (1), evil\\x1b[2J (1).',
    },
  ]);
});

test('names the lowest cgroups with kills', () => {
  const all = [
    { path: '/shop', kills: 3 },
    { path: '/shop/web', kills: 3 },
  ];
  expect(killed(all, read, [])[0]).toMatchObject({
    found: '5960 since boot (596 an hour for 10 h), in /shop/web (3)',
    reason: 'The log of the kernel names no victim any more.',
  });
});

test('reports none only if the counter of the kernel says so', () => {
  expect(killed([], (path) => (path === '/proc/vmstat' ? 'oom_kill 0\n' : undefined), [])).toMatchObject([
    { severity: 'ok', found: 'none since boot' },
  ]);
  expect(killed([], () => undefined, [])[0]?.found).toBe('none in the existing cgroups');
});

test('finds the victims in the log of the kernel, whatever their names contain', () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-kmsg-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const log = join(directory, 'kmsg');
  const line = (name: string) =>
    `3,1,2,-;Memory cgroup out of memory: Killed process 12 (${name}) total-vm:1kB, anon-rss:1kB`;
  writeFileSync(log, line('a) S (b'));
  expect(loggedVictims(log)).toEqual(['a) S (b']);
  expect(loggedVictims(join(directory, 'none'))).toEqual([]);
});
