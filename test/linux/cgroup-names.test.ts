import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CgroupNames } from '../../src/linux/cgroup-names.ts';

const mount = mkdtempSync(join(tmpdir(), 'cgroups-'));
afterAll(() => rmSync(mount, { recursive: true }));
const inode = (path: string) => statSync(join(mount, path), { bigint: true }).ino;

test('paths are put together from what the kernel told, in any order', () => {
  const names = new CgroupNames(mount);
  names.learn(30n, 20n, 'c');
  expect(names.path(30n)).toBeUndefined();
  names.learn(20n, 10n, 'b');
  names.learn(10n, 0n, 'a\n');
  expect(names.path(30n)).toBe('/a\n/b/c');
  expect(names.path(10n)).toBe('/a\n');
});

test('a loop of parents ends', () => {
  const names = new CgroupNames(mount);
  names.learn(1n, 2n, 'x');
  names.learn(2n, 1n, 'y');
  expect(names.path(1n)).toBeUndefined();
});

test('what was not told is looked up under the mount point', () => {
  mkdirSync(join(mount, 'slice', 'unit'), { recursive: true });
  const names = new CgroupNames(mount);
  expect(names.path(inode('/'))).toBe('/');
  expect(names.path(0n)).toBe('/');
  expect(names.path(inode('slice/unit'))).toBe('/slice/unit');
});

test('where no hierarchy is mounted nothing is known', () => {
  expect(new CgroupNames(null).path(1n)).toBeUndefined();
});
