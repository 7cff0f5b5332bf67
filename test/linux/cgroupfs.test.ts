import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryGroup, removeMemoryGroups } from '../../src/demo/memory-group.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { type MemoryHierarchy, memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';

const MIB = 2 ** 20;

describe('the memory cgroups of this machine', () => {
  afterEach(() => removeMemoryGroups());
  const cgroups = Cgroupfs.find() as Cgroupfs;

  it('finds a cgroup and the limits that apply to it', () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const child = group.child('below', 256 * MIB);
    const paths = cgroups.paths();
    const [at, below] = [paths.indexOf(group.cgroupPath), paths.indexOf(child.cgroupPath)];
    expect(at).toBeGreaterThan(0);
    expect(below).toBeGreaterThan(at);
    using opened = cgroups.open(child.cgroupPath);
    expect(opened?.limit()).toBe(256 * MIB);
    expect(opened?.usage()).toBeLessThan(MIB);
    expect(opened?.inactiveFile()).toBe(0);
    expect(opened?.counts()).toMatchObject({ limitHits: 0, oomKills: 0 });
    expect(cgroups.effectiveLimit(child.cgroupPath)).toMatchObject({ path: group.cgroupPath, limitBytes: 64 * MIB });
    expect(existsSync(cgroups.directory(child.cgroupPath))).toBe(true);
  });

  it('reads a removed cgroup as undefined even if a new cgroup has the same path', () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB, name: `oomscope-${process.pid}-again` });
    const first = cgroups.open(group.cgroupPath);
    expect(first?.usage()).toBeDefined();
    group.remove();
    expect(first?.usage()).toBeUndefined();
    expect(cgroups.open(group.cgroupPath)).toBeUndefined();
    createMemoryGroup({ limitBytes: 32 * MIB, name: `oomscope-${process.pid}-again` });
    expect(first?.usage()).toBeUndefined();
    using second = cgroups.open(group.cgroupPath);
    expect(second?.usage()).toBeDefined();
    expect(second?.id).not.toBe(first?.id);
    first?.close();
  });

  it('notices that a cgroup was created or removed', () => {
    const own = new Cgroupfs(memoryHierarchy() as MemoryHierarchy);
    own.paths();
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    expect(own.stale()).toBe(true);
    own.paths();
    group.child('below');
    expect(own.stale()).toBe(true);
    own.paths();
    group.remove();
    expect(own.stale()).toBe(true);
  });

  it('returns no limit for the root', () => {
    expect(cgroups.limits('/')).toEqual([]);
    expect(cgroups.effectiveLimit('/')).toBeNull();
  });
});

/** These tests use simulated files, because a machine has the memory controller only in v1 or only in v2. */
describe('simulated hierarchies', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'oomscope-cgroup-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function put(path: string, files: Record<string, string>): void {
    mkdirSync(join(root, path), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, path, name), text);
  }

  const pressure =
    'some avg10=1.50 avg60=0.20 avg300=0.03 total=300\nfull avg10=0.75 avg60=0.10 avg300=0.01 total=200\n';

  it('reads the files of cgroup v2', () => {
    put('a', { 'memory.current': '900\n', 'memory.max': '1000\n', 'memory.stat': 'anon 1\ninactive_file 0\n' });
    put('a/b', {
      'memory.current': '500\n',
      'memory.max': 'max\n',
      'memory.high': '800\n',
      'memory.swap.current': '70\n',
      'memory.swap.max': 'max\n',
      'memory.stat': 'anon 400\ntotal_inactive_file 9\ninactive_anon 8\ninactive_file 64\n',
      'memory.events': 'low 0\nhigh 3\nmax 4\noom 2\noom_kill 1\noom_group_kill 0\n',
      'memory.pressure': pressure,
    });
    const cgroups = new Cgroupfs({ version: 2, mount: root, unified: root });
    expect(cgroups.paths()).toEqual(['/', '/a', '/a/b']);
    expect(cgroups.paths(2)).toEqual(['/', '/a']);
    expect(cgroups.open('/')).toBeUndefined();
    using group = cgroups.open('/a/b');
    expect([group?.usage(), group?.limit(), group?.high(), group?.inactiveFile()]).toEqual([500, null, 800, 64]);
    expect([group?.swap(), group?.swapLimit()]).toEqual([70, null]);
    expect(group?.counts()).toEqual({ high: 3, limitHits: 4, oomKills: 1 });
    expect(group?.pressure()?.full.avg10).toBe(0.75);
    expect(group?.stalled()).toEqual({ someUs: 300, fullUs: 200 });
    expect(cgroups.limits('/a/b')).toEqual([{ path: '/a', limitBytes: 1000, leftBytes: 100 }]);
  });

  it('reads the files of cgroup v1, and memory.pressure in the v2 hierarchy', () => {
    const none = '9223372036854771712\n';
    put('unified/a', { 'memory.pressure': pressure });
    put('memory/a', {
      'memory.usage_in_bytes': '900\n',
      'memory.limit_in_bytes': none,
      'memory.memsw.usage_in_bytes': '950\n',
      'memory.memsw.limit_in_bytes': '2000\n',
      'memory.stat': 'inactive_file 1\ntotal_inactive_file 33\n',
      'memory.failcnt': '12\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 5\n',
      'memory.use_hierarchy': '1\n',
    });
    put('memory/a/b', { 'memory.usage_in_bytes': '1200\n', 'memory.limit_in_bytes': '1000\n' });
    const cgroups = new Cgroupfs({ version: 1, mount: join(root, 'memory'), unified: join(root, 'unified') });
    using group = cgroups.open('/a');
    expect([group?.limit(), group?.high(), group?.inactiveFile(), group?.swap()]).toEqual([null, null, 33, 50]);
    expect(group?.swapLimit()).toBe(2000);
    expect(group?.counts()).toEqual({ high: null, limitHits: 12, oomKills: 5 });
    expect(group?.stalled()).toEqual({ someUs: 300, fullUs: 200 });
    expect(cgroups.limits('/a/b')).toEqual([{ path: '/a/b', limitBytes: 1000, leftBytes: 0 }]);
    using bare = new Cgroupfs({ version: 1, mount: join(root, 'memory'), unified: undefined }).open('/a');
    expect([bare?.pressure(), bare?.stalled()]).toEqual([null, null]);
  });

  it('ignores the limits above a cgroup of v1 with memory.use_hierarchy 0', () => {
    put('a', { 'memory.usage_in_bytes': '10\n', 'memory.limit_in_bytes': '20\n', 'memory.use_hierarchy': '0\n' });
    put('a/b', { 'memory.usage_in_bytes': '1\n', 'memory.limit_in_bytes': '100\n', 'memory.use_hierarchy': '0\n' });
    const cgroups = new Cgroupfs({ version: 1, mount: root, unified: undefined });
    expect(cgroups.limits('/a/b').map(({ path }) => path)).toEqual(['/a/b']);
  });
});
