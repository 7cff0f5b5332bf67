/** Tests of the samples and their interval with simulated files. test/kernel has tests with real kills. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { LeadUpRecorder } from '../../src/memory/lead-up-recorder.ts';
import { noOwner } from '../../src/model/container.ts';
import { renderLeadUp } from '../../src/render/lead-up.ts';
import { sparkline } from '../../src/render/sparkline.ts';

const MIB = 2 ** 20;
let root: string;
let leadUps: LeadUpRecorder;
let cgroups: Cgroupfs;
let ms = 0;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oomscope-lead-up-'));
  mkdirSync(join(root, 'proc', 'pressure'), { recursive: true });
  mkdirSync(join(root, 'cgroup', 'a'), { recursive: true });
  writeFileSync(join(root, 'proc', 'meminfo'), 'MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n');
  writeFileSync(join(root, 'cgroup', 'a', 'memory.max'), `${64 * MIB}\n`);
  writeFileSync(join(root, 'cgroup', 'a', 'memory.stat'), 'inactive_file 0\n');
  use(MIB);
  stalled(0);
  ms = 0;
  cgroups = new Cgroupfs({ version: 2, mount: join(root, 'cgroup'), unified: undefined });
  leadUps = new LeadUpRecorder({ proc: join(root, 'proc'), cgroups, now: () => ms });
});
afterEach(() => {
  leadUps.close();
  rmSync(root, { recursive: true });
});

const use = (bytes: number) => writeFileSync(join(root, 'cgroup', 'a', 'memory.current'), `${bytes}\n`);
const stalled = (us: number) => {
  const line = `avg10=0.00 avg60=0.00 avg300=0.00 total=${us}\n`;
  writeFileSync(join(root, 'proc', 'pressure', 'memory'), `some ${line}full ${line}`);
};

test('keeps only the samples of the last minute', () => {
  for (; ms < 200_000; ms += 1000) {
    use((1 + ms / 10_000) * MIB);
    leadUps.sample();
  }
  const found = leadUps.before('/a', ms, 64 * MIB);
  expect(found?.samples).toHaveLength(61);
  expect(found?.samples[0]).toMatchObject({ at_seconds: -60, usage_bytes: (1 + 140 / 10) * MIB });
  expect(found?.samples.at(-1)).toEqual({
    ...{ at_seconds: 0, usage_bytes: 64 * MIB, available_bytes: null, some: null, full: null },
  });
  expect(found?.growth?.bytes_per_second).toBeCloseTo(MIB / 10, -2);
  expect(leadUps.before('/b', ms)).toBeNull();
  expect(leadUps.before(undefined, ms)?.subject.scope).toBe('system');
});

test('doubles its interval while usage does not change, and shortens it when usage changes', () => {
  leadUps.sample();
  const delays = [1, 2, 3, 4, 5].map(() => leadUps.sample());
  expect(delays).toEqual([2000, 4000, 8000, 8000, 8000]);
  use(3 * MIB);
  expect(leadUps.sample()).toBe(1000);
  expect(leadUps.sample()).toBe(2000);
  ms += 1000;
  stalled(500);
  expect(leadUps.sample()).toBe(1000);
});

test('notices slow growth as a change of usage', () => {
  let kept = 0;
  leadUps.sample();
  for (let i = 1; i <= 40; i++) {
    use(MIB + i * 100_000);
    if (leadUps.sample() === 1000) kept++;
  }
  expect(kept).toBe(3); // each time that usage has grown by another MiB
});

test('computes pressure as the share of stalled time between two samples', () => {
  for (; ms <= 3000; ms += 1000) {
    stalled(ms * 250);
    leadUps.sample();
  }
  expect(leadUps.before(undefined, ms)?.samples.map(({ some }) => some)).toEqual([null, 0.25, 0.25, 0.25]);
});

test('draws a lead-up as two lines of bars', () => {
  for (; ms < 60_000; ms += 1000) {
    use((1 + ms / 1000) * MIB);
    stalled(ms < 50_000 ? 0 : (ms - 50_000) * 500);
    leadUps.sample();
  }
  const system = leadUps.before(undefined, ms);
  const rows = renderLeadUp(leadUps.before('/a', ms, 64 * MIB) as NonNullable<typeof system>);
  expect(rows[0]).toEqual(['usage', '▁▁▁▂▂▂▂▃▃▃▃▄▄▄▄▅▅▅▅▆▆▆▆▇▇▇▇███ 1 MiB to 64 MiB in 60 s, +1 MiB/s ± 0 B/s']);
  const [, pressure] = renderLeadUp(system as NonNullable<typeof system>);
  expect(pressure?.[1]).toMatch(/^▁+▅+ at most some 50 %, full 50 %$/);
});

test('draws a bar for each value, and a space for a missing value', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 0, 8)).toBe('▁▂▃▄▅▆▇██');
  expect(sparkline([null, 5, Number.NaN], 0, 10)).toBe(' ▅ ');
  expect(sparkline([3, 3], 3, 3)).toBe('▁▁');
});

test('takes the pressure of each cgroup from a monitor, and returns null for unknown shares', () => {
  const subject = { scope: 'cgroup', path: '/a', id: cgroups.id('/a'), ...noOwner } as const;
  const watched = new LeadUpRecorder({
    ...{ proc: join(root, 'proc'), cgroups, now: () => ms },
    pressure: () => [{ subject, some_ns: ms * 300_000, full_ns: null }],
  });
  for (; ms <= 2000; ms += 1000) watched.sample();
  const pairs = watched.before('/a', ms)?.samples.map(({ some, full }) => [some, full]);
  expect(pairs).toEqual([
    [null, null],
    [0.3, null],
    [0.3, null],
  ]);
  expect(watched.before(undefined, ms)?.samples.map(({ some }) => some)).toEqual([null, 0, 0]);
  watched.close();
});
