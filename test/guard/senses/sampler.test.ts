import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { createMemoryGroup, removeMemoryGroups } from '../../../src/demo/memory-group.ts';
import { FOLLOW_MS } from '../../../src/guard/rules/pace.ts';
import { Pattern } from '../../../src/guard/rules/pattern.ts';
import { Sampler } from '../../../src/guard/senses/sampler.ts';
import { detector, MIB, rule } from '../rules/world.ts';

const GROWING = `
const kept = [];
process.stdin.once('data', () => setInterval(() => kept.length < 60 && kept.push(Buffer.alloc(2 ** 20, 1)), 40));
console.log('ready');`;

afterAll(removeMemoryGroups);

it('the first sample of all processes has their growth if a rule ranks by it and memory shrinks', async () => {
  const group = createMemoryGroup({ limitBytes: 200 * MIB });
  const child = spawn(process.execPath, ['-e', GROWING], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    writeFileSync(`${group.path}/cgroup.procs`, String(child.pid));
    child.stdin.write('go\n');
    const by = (rank: 'projected' | 'rss', least: number) =>
      rule({
        on: [{ kind: 'cgroup', glob: group.cgroupPath }],
        when: [detector({ name: 'available' }, '<=', least)],
        rank,
      });
    using follows = new Sampler({ rules: [by('projected', 50)] });
    using otherwise = new Sampler({ rules: [by('rss', 50)] });
    using farFrom = new Sampler({ rules: [by('projected', 1)] });
    for (let i = 0; i < 6; i++) {
      for (const sampler of [follows, otherwise, farFrom]) sampler.levels();
      await sleep(FOLLOW_MS);
    }
    const growthOf = (sampler: Sampler) =>
      sampler.whole().processes?.find(({ pid }) => pid === child.pid)?.growth_bytes_per_second;
    expect(growthOf(follows)).toBeGreaterThan(2 ** 20);
    expect(growthOf(otherwise)).toBeNull();
    expect(growthOf(farFrom)).toBeNull();
  } finally {
    child.kill('SIGKILL');
  }
});

it('counts what the cache of ZFS gives back as available, and what zram uses', () => {
  const root = mkdtempSync(join(tmpdir(), 'oomscope-'));
  try {
    for (const directory of ['spl/kstat/zfs', 'block/zram0', 'block/zram12', 'block/sda'])
      mkdirSync(join(root, directory), { recursive: true });
    writeFileSync(join(root, 'meminfo'), readFileSync('/proc/meminfo'));
    // The form of OpenZFS 2: a header, then "name type data".
    const arcstats = (size: number, least: number) =>
      `9 1 0x01 147 39984 4319371 1234\nname type data\nsize_other 4 1\nc_min 4 ${least}\nsize 4 ${size}\n`;
    writeFileSync(join(root, 'spl/kstat/zfs/arcstats'), arcstats(96 * MIB, 64 * MIB));
    for (const [name, used] of Object.entries({ zram0: 3 * MIB, zram12: 5 * MIB }))
      writeFileSync(join(root, `block/${name}/mm_stat`), ` ${9 * MIB} ${2 * MIB} ${used} 0 ${used} 0 0 0 0\n`);
    const zram = rule({ when: [detector({ name: 'zram' }, '>=', 50)] });
    using sampler = new Sampler({ rules: [zram], proc: root, sys: root, cgroups: undefined });
    const { system } = sampler.levels();
    const available = Number(/^MemAvailable: +(\d+)/m.exec(readFileSync(join(root, 'meminfo'), 'utf8'))?.[1]) * 1024;
    expect(system).toMatchObject({ arc_bytes: 32 * MIB, zram_bytes: 8 * MIB, available_bytes: available + 32 * MIB });
    writeFileSync(join(root, 'spl/kstat/zfs/arcstats'), arcstats(32 * MIB, 64 * MIB));
    expect(sampler.levels().system).toMatchObject({ arc_bytes: 0, available_bytes: available });
  } finally {
    rmSync(root, { recursive: true });
  }
});

it('reads what `protect` compares, although no rule does', () => {
  const protect = [{ text: 'cmdline x', cmdline: new Pattern('x') }];
  const own = (sampler: Sampler) => sampler.whole().processes?.find(({ pid }) => pid === process.pid);
  using protecting = new Sampler({ rules: [], protect });
  using otherwise = new Sampler({ rules: [] });
  expect([own(protecting)?.cmdline, own(otherwise)?.cmdline]).toEqual([expect.stringContaining('node'), null]);
});

it('fails where /proc/meminfo cannot be read, and does not report that no memory is available', () => {
  const proc = mkdtempSync(join(tmpdir(), 'oomscope-proc-'));
  onTestFinished(() => rmSync(proc, { recursive: true }));
  using sampler = new Sampler({ rules: [], proc });
  expect(() => sampler.levels()).toThrow('/proc/meminfo cannot be read');
});

it('finds every cgroup with a limit for the place `limited`', () => {
  const group = createMemoryGroup({ limitBytes: 64 * MIB });
  const below = group.child('unlimited');
  using sampler = new Sampler({ rules: [rule({ on: [{ kind: 'limited' }] })] });
  const paths = () => sampler.levels().cgroups.map(({ path }) => path);
  expect(paths()).toContain(group.cgroupPath);
  expect(paths()).not.toContain(below.cgroupPath);
});
