import { expect, test } from 'vitest';
import type { Reading } from '../../src/memory/survey.ts';
import { noOwner } from '../../src/model/container.ts';
import type { PressureSubject } from '../../src/model/pressure.ts';
import { memoryRows } from '../../src/pressure/memory-rows.ts';
import type { PressureTotals } from '../../src/pressure/totals.ts';
import { GrowthWindow } from '../../src/series/growth.ts';

const cgroup = (path: string): PressureSubject => ({ scope: 'cgroup', path, id: path.length.toString(), ...noOwner });
const reading = (path: string): Reading => ({
  subject: cgroup(path),
  ...{ usedBytes: 60, limitBytes: 100, availableBytes: 40, some: 0.25, full: null },
  growth: new GrowthWindow(),
});
const sizes = { usedBytes: 60, limitBytes: 100, availableBytes: 40, growth: null };

test('takes shares from the readings if levels come from PSI', () => {
  expect(memoryRows([reading('/a')], () => 'medium')).toEqual([
    { subject: cgroup('/a'), level: 'medium', some: 0.25, full: null, ...sizes },
  ]);
});

test('takes the longest window of the BPF totals, and 0 for a subject that was never stalled', () => {
  const windows = [0.9, 0.5].map((some, i) => ({ window_seconds: i + 1, some, full: null }));
  const totals = [{ subject: cgroup('/a'), level: 'low', windows }] as unknown as PressureTotals[];
  expect(memoryRows([reading('/a'), reading('/ab')], totals)).toEqual([
    { subject: cgroup('/a'), level: 'low', some: 0.5, full: null, ...sizes },
    { subject: cgroup('/ab'), level: 'normal', some: 0, full: 0, ...sizes },
  ]);
});
