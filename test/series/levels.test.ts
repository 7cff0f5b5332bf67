import fc from 'fast-check';
import { expect, test } from 'vitest';
import { levelNames } from '../../src/model/level.ts';
import { Levels } from '../../src/series/levels.ts';

const options = { thresholds: [0.7, 0.85, 0.95], hysteresis: 0.03, sustainMs: 2000 } as const;

/** One value a second. */
const run = (values: number[], levels = new Levels(options)) =>
  values.map((value, i) => levels.next(i * 1000, value)).map((level) => level[0]);

test('a level begins when its threshold was reached for long enough', () => {
  expect(run([0.5, 0.7, 0.7, 0.7, 0.7])).toEqual(['n', 'n', 'n', 'l', 'l']);
  expect(run([0.99, 0.99, 0.99])).toEqual(['n', 'n', 'c']);
  expect(run([0.99, 0.8, 0.8, 0.8])).toEqual(['n', 'n', 'l', 'l']);
});

test('what is short leaves no trace', () => {
  expect(run([0.99, 0.99, 0.1, 0.99, 0.99, 0.1])).toEqual(['n', 'n', 'n', 'n', 'n', 'n']);
  const levels = new Levels(options);
  run([0.9, 0.9, 0.9], levels);
  expect(levels.next(3000, 0.1)).toBe('medium');
  expect(levels.next(4000, 0.9)).toBe('medium');
});

test('a level ends some way below its threshold', () => {
  const levels = new Levels({ ...options, sustainMs: 0 });
  expect(run([0.95, 0.93, 0.92, 0.919, 0.83, 0.82, 0.819, 0.67, 0.66], levels).join('')).toBe(
    'ccccmmlln'.replace('cccc', 'cccm'),
  );
});

test('whatever comes, a value that has held for the time has its level', () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
  fc.assert(
    fc.property(shares, fc.double({ min: 0, max: 1, noNaN: true }), (before, value) => {
      const levels = new Levels(options);
      run(before, levels);
      for (let i = 0; i < 3; i++) levels.next((before.length + i) * 1000, value);
      const [low, medium, critical] = options.thresholds;
      const least = value >= critical ? 3 : value >= medium ? 2 : value >= low ? 1 : 0;
      const most = value + 0.03 >= critical ? 3 : value + 0.03 >= medium ? 2 : value + 0.03 >= low ? 1 : 0;
      expect(levelNames.indexOf(levels.level)).toBeGreaterThanOrEqual(least);
      expect(levelNames.indexOf(levels.level)).toBeLessThanOrEqual(most);
    }),
  );
});
