import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CgroupPathCache } from '../../src/linux/cgroup-path-cache.ts';

const mount = mkdtempSync(join(tmpdir(), 'cgroups-'));
afterAll(() => rmSync(mount, { recursive: true }));
const inode = (path: string) => statSync(join(mount, path), { bigint: true }).ino;

test('composes paths from reported names, whatever the order of the reports', () => {
  const cache = new CgroupPathCache({ mount });
  cache.learn(30n, 20n, 'c');
  expect(cache.path(30n)).toBeUndefined();
  cache.learn(20n, 10n, 'b');
  cache.learn(10n, 0n, 'a\n');
  expect(cache.path(30n)).toBe('/a\n/b/c');
  expect(cache.path(10n)).toBe('/a\n');
});

test('returns undefined when the reported parents form a loop', () => {
  const cache = new CgroupPathCache({ mount });
  cache.learn(1n, 2n, 'x');
  cache.learn(2n, 1n, 'y');
  expect(cache.path(1n)).toBeUndefined();
});

test('looks up an id that was not reported, and lists the cgroups again after the interval', () => {
  mkdirSync(join(mount, 'slice', 'unit'), { recursive: true });
  const cache = new CgroupPathCache({ mount });
  const eager = new CgroupPathCache({ mount, relistMs: 0 });
  for (const each of [cache, eager]) {
    expect(each.path(inode('/'))).toBe('/');
    expect(each.path(0n)).toBe('/');
    expect(each.path(inode('slice/unit'))).toBe('/slice/unit');
  }
  mkdirSync(join(mount, 'later'));
  expect(cache.path(inode('later'))).toBeUndefined();
  expect(eager.path(inode('later'))).toBe('/later');
});

test('finds no path if no hierarchy is mounted', () => {
  expect(new CgroupPathCache({ mount: null }).path(1n)).toBeUndefined();
});
