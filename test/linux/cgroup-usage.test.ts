import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CgroupUsage } from '../../src/linux/cgroup-usage.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import type { MemoryCgroup } from '../../src/linux/memory-cgroup.ts';

let root: string;
let cgroup: MemoryCgroup;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oomscope-cgroup-'));
  mkdirSync(join(root, 'a'));
  put(1000, 100);
  cgroup = new Cgroupfs({ version: 2, mount: root, unified: root }).open('/a') as MemoryCgroup;
});
afterEach(() => {
  cgroup.close();
  rmSync(root, { recursive: true });
});

function put(usage: number, inactive: number): void {
  writeFileSync(join(root, 'a', 'memory.current'), `${usage}\n`);
  writeFileSync(join(root, 'a', 'memory.stat'), `anon 1\ninactive_file ${inactive}\n`);
}

test('reads memory.stat again when usage has changed enough, or after enough time', () => {
  const usage = new CgroupUsage(cgroup, { movedBytes: 50, ageMs: 1000 });
  expect(usage.read(0)).toMatchObject({ usageBytes: 1000, inactiveFileBytes: 100, usedBytes: 900, refreshed: true });
  put(1050, 500);
  expect(usage.read(10)).toMatchObject({ usageBytes: 1050, inactiveFileBytes: 100, usedBytes: 950, refreshed: false });
  put(1051, 500);
  expect(usage.read(20)).toMatchObject({ usedBytes: 551, refreshed: true });
  put(1051, 600);
  expect(usage.read(1020)).toMatchObject({ usedBytes: 551, refreshed: false });
  expect(usage.read(1021)).toMatchObject({ usedBytes: 451, refreshed: true });
});

test('never returns a negative usage when usage falls below the cached inactive file pages', () => {
  const usage = new CgroupUsage(cgroup, { movedBytes: 5000, ageMs: 1000 });
  put(800, 700);
  usage.read(0);
  put(600, 10);
  expect(usage.read(1)).toMatchObject({ usageBytes: 600, usedBytes: 0 });
});

test('returns undefined for a removed cgroup', () => {
  const usage = new CgroupUsage(cgroup, { movedBytes: 0, ageMs: 0 });
  cgroup.close();
  rmSync(join(root, 'a'), { recursive: true });
  expect(usage.read(0)).toBeUndefined();
});

test('reads memory.stat of a full cgroup more often, because there the usage does not change', () => {
  const usage = new CgroupUsage(cgroup, { movedBytes: 50, ageMs: 1000, fullAgeMs: 50 });
  put(1000, 500);
  expect(usage.read(0, 1010)?.memory?.reclaimableBytes).toBe(500);
  put(1000, 400);
  expect(usage.read(50, 1010)?.memory?.reclaimableBytes).toBe(500);
  expect(usage.read(51, 1010)?.memory?.reclaimableBytes).toBe(400);
  put(1000, 300);
  expect(usage.read(200, 2000)?.memory?.reclaimableBytes).toBe(400);
});
