import { expect, test } from 'vitest';
import { PressureLevel } from '../../src/bpf/wire/layout.ts';
import { levelIndex, levelNames, raisedLevels, severityOfLevel } from '../../src/model/level.ts';

test('the levels have the same order as in the BPF programs', () => {
  const { PRESSURE_LEVELS, ...levels } = PressureLevel;
  expect(levelNames).toHaveLength(PRESSURE_LEVELS);
  for (const [name, value] of Object.entries(levels)) {
    expect(levelNames[value]).toBe(name.replace('LEVEL_', '').toLowerCase());
  }
  expect(levelNames.map(levelIndex)).toEqual([0, 1, 2, 3]);
  expect(raisedLevels).toEqual(levelNames.slice(1));
});

test('a level has the same severity for pressure and for usage', () => {
  expect(levelNames.map(severityOfLevel)).toEqual(['info', 'info', 'warning', 'critical']);
});
