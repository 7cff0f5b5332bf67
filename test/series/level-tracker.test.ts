import fc from 'fast-check';
import { expect, test } from 'vitest';
import { levelNames } from '../../src/model/level.ts';
import { LevelTracker } from '../../src/series/level-tracker.ts';

const options = { thresholds: [0.7, 0.85, 0.95], hysteresis: 0.03, sustainMs: 2000 } as const;

/** Adds one value per second. */
const run = (values: number[], tracker = new LevelTracker(options)) =>
  values.map((value, i) => tracker.next(i * 1000, value)).map((level) => level[0]);

test('raises the level after the value has been at the threshold for sustainMs', () => {
  expect(run([0.5, 0.7, 0.7, 0.7, 0.7])).toEqual(['n', 'n', 'n', 'l', 'l']);
  expect(run([0.99, 0.99, 0.99])).toEqual(['n', 'n', 'c']);
  expect(run([0.99, 0.8, 0.8, 0.8])).toEqual(['n', 'n', 'l', 'l']);
});

test('keeps the level during a peak shorter than sustainMs', () => {
  expect(run([0.99, 0.99, 0.1, 0.99, 0.99, 0.1])).toEqual(['n', 'n', 'n', 'n', 'n', 'n']);
  const tracker = new LevelTracker(options);
  run([0.9, 0.9, 0.9], tracker);
  expect(tracker.next(3000, 0.1)).toBe('medium');
  expect(tracker.next(4000, 0.9)).toBe('medium');
});

test('lowers the level when the value is below the threshold minus the hysteresis', () => {
  const tracker = new LevelTracker({ ...options, sustainMs: 0 });
  expect(run([0.95, 0.93, 0.92, 0.919, 0.83, 0.82, 0.819, 0.67, 0.66], tracker).join('')).toBe(
    'ccccmmlln'.replace('cccc', 'cccm'),
  );
});

test('reaches the level of a value that holds for sustainMs, whatever the earlier values', () => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
  fc.assert(
    fc.property(shares, fc.double({ min: 0, max: 1, noNaN: true }), (before, value) => {
      const tracker = new LevelTracker(options);
      run(before, tracker);
      for (let i = 0; i < 3; i++) tracker.next((before.length + i) * 1000, value);
      const [low, medium, critical] = options.thresholds;
      const least = value >= critical ? 3 : value >= medium ? 2 : value >= low ? 1 : 0;
      const most = value + 0.03 >= critical ? 3 : value + 0.03 >= medium ? 2 : value + 0.03 >= low ? 1 : 0;
      expect(levelNames.indexOf(tracker.level)).toBeGreaterThanOrEqual(least);
      expect(levelNames.indexOf(tracker.level)).toBeLessThanOrEqual(most);
    }),
  );
});
