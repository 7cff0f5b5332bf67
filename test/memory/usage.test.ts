/** Tests of usage levels with simulated files and a virtual clock. test/kernel has tests with real cgroups. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualTimeScheduler } from 'rxjs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { type UsageOptions, watchUsage } from '../../src/memory/usage.ts';
import type { UsageLevel } from '../../src/model/pressure.ts';
import { schemaErrors } from '../schema.ts';

const MIB = 2 ** 20;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oomscope-usage-'));
  mkdirSync(join(root, 'proc', '7'), { recursive: true });
  process7(10);
  system(10);
});
afterEach(() => rmSync(root, { recursive: true }));

const system = (usedPercent: number) =>
  writeFileSync(
    join(root, 'proc', 'meminfo'),
    `MemTotal: 1048576 kB\nMemFree: 0 kB\nMemAvailable: ${1048576 * (1 - usedPercent / 100)} kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n`,
  );

function process7(pages: number): void {
  const numbers = ['S', 1, 2, 3, 4, 5, 0, ...new Array(12).fill(0), 77, 0, pages, 0];
  writeFileSync(join(root, 'proc', '7', 'stat'), `7 (gro\nwer) ${numbers.join(' ')}\n`);
  writeFileSync(join(root, 'proc', '7', 'cgroup'), '0::/shop/web\n');
}

function group(path: string, usage: number, limit: number | 'max', inactive = 0): void {
  const directory = join(root, 'cgroup', path);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'memory.current'), `${usage}\n`);
  writeFileSync(join(directory, 'memory.max'), `${limit}\n`);
  writeFileSync(join(directory, 'memory.stat'), `inactive_file ${inactive}\n`);
}

/** @param scene changes the simulated files at each second */
function watch(seconds: number, scene: (second: number) => void, options: UsageOptions = {}): UsageLevel[] {
  const scheduler = new VirtualTimeScheduler(undefined, seconds * 1000);
  const events: UsageLevel[] = [];
  for (let second = 0; second < seconds; second++) scheduler.schedule(() => scene(second), second * 1000);
  const cgroups = new Cgroupfs({ version: 2, mount: join(root, 'cgroup'), unified: undefined });
  const watching = watchUsage({ proc: join(root, 'proc'), cgroups, scheduler, ...options });
  watching.subscribe((event) => events.push(event));
  scheduler.flush();
  for (const event of events) expect(schemaErrors(event)).toEqual([]);
  return events;
}

test('reports rising and falling levels of the system', () => {
  const events = watch(20, (second) => system(second < 5 ? 50 : second < 10 ? 96 : 20));
  expect(events.map(({ level, previous, severity }) => [level, previous, severity])).toEqual([
    ['critical', 'normal', 'critical'],
    ['normal', 'critical', 'info'],
  ]);
  expect(events[0]).toMatchObject({
    subject: { scope: 'system', path: '/' },
    used: 0.96,
    limit_bytes: 1024 * MIB,
    swap_total_bytes: 102400,
    swap_free_bytes: 40960,
    top: [{ pid: 7, start_ticks: 77, comm: 'gro\nwer' }],
  });
  expect(events[0]?.message).toContain('gro\\x0awer (pid 7)');
});

test('does not count inactive file pages of a cgroup, and predicts when it will be full', () => {
  const events = watch(30, (second) => {
    group('shop', (40 + second * 2) * MIB, 100 * MIB, 10 * MIB);
    group('shop/web', (30 + second * 2) * MIB, 'max');
  });
  expect(events.map(({ subject, level }) => [subject.path, level])).toEqual([
    ['/shop', 'low'],
    ['/shop', 'medium'],
  ]);
  const [low] = events;
  // Usage reaches 70 MiB in second 20, and has stayed above for 2 s in second 22.
  expect(low).toMatchObject({ used_bytes: 74 * MIB, available_bytes: 26 * MIB, limit_bytes: 100 * MIB });
  expect(low?.growth).toMatchObject({ bytes_per_second: 2 * MIB, exhausted_in_seconds: 13 });
  expect(low?.top.map(({ pid }) => pid)).toEqual([7]);
});

test('respects the limit of a cgroup above, and ignores a limit that is larger than RAM', () => {
  const events = watch(
    10,
    () => {
      group('a', 99 * MIB, 100 * MIB);
      group('a/b', 60 * MIB, 80 * MIB);
      group('big', 2000 * MIB, 4096 * MIB);
    },
    { thresholds: [0.7, 0.9, 0.95] },
  );
  expect(events.map(({ subject, level, available_bytes }) => [subject.path, level, available_bytes / MIB])).toEqual([
    ['/a', 'critical', 1],
    ['/a/b', 'low', 1],
  ]);
});

test('reports only the cgroups that match', () => {
  const scene = () => {
    group('a', 99, 100);
    group('b', 99, 100);
  };
  expect(watch(10, scene, { groups: ['/b*'] }).map(({ subject }) => subject.path)).toEqual(['/b']);
});

test('throws USAGE for values that are out of range', () => {
  expect(() => watchUsage({ thresholds: [0.9, 0.8, 0.95] })).toThrow('expected three rising shares');
  expect(() => watchUsage({ thresholds: [0.5, 0.8, 1.5] })).toThrow('got 0.5, 0.8, 1.5');
  expect(() => watchUsage({ hysteresis: 0.9 })).toThrow('hysteresis: expected');
  expect(() => watchUsage({ sustainMs: -1 })).toThrow('sustainMs: expected');
  expect(() => watchUsage({ intervalMs: 1 })).toThrow('intervalMs: expected at least 10, got 1');
});
