import { expect, test } from 'vitest';
import { UnkilledReports } from '../../src/tracer/unkilled-reports.ts';

const report = (cgroup: string, last = 'Out of memory and no killable processes...') => [
  'hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=-1000',
  `Memory cgroup stats for ${cgroup}:`,
  last,
];
const SECOND = 1_000_000_000n;

test('lets one report a minute of a cgroup pass in which no process can be killed', () => {
  const reports = new UnkilledReports();
  expect(reports.isRepeated(report('/shop'), 5n * SECOND)).toBe(false);
  expect(reports.isRepeated(report('/shop'), 6n * SECOND)).toBe(true);
  expect(reports.isRepeated(report('/other'), 6n * SECOND)).toBe(false);
  expect(reports.isRepeated(report('/shop'), 64n * SECOND)).toBe(true);
  expect(reports.isRepeated(report('/shop'), 65n * SECOND)).toBe(false);
});

test('lets every report of a kill pass', () => {
  const reports = new UnkilledReports();
  const killed = report('/shop', 'Memory cgroup out of memory: Killed process 5 (hog) total-vm:1kB');
  for (let i = 0n; i < 3n; i++) expect(reports.isRepeated(killed, i)).toBe(false);
});
