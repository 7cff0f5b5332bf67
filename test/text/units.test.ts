import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { parseDuration, parseSize, writeDuration, writeSize } from '../../src/text/units.ts';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['512 B', 512],
    ['512K', 512 * 2 ** 10],
    ['2kb', 2048],
    ['64M', 64 * 2 ** 20],
    ['64 MiB', 64 * 2 ** 20],
    ['1.5G', 1.5 * 2 ** 30],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['2t', 2 * 2 ** 40],
    ['0.0001K', 0],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', 'M', '-1', '1 X', '1  M', '1e3', '0x10', '1.', '.5M', '5iB', '64Mi', '64 M ', '99999999999T'])(
    '%j is not a size',
    (text) => expect(parseSize(text)).toBeUndefined(),
  );
});

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['1.5s', 1500],
    ['2 m', 120_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['0s', 0],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 's', '5', '-1s', '5S', '5M', '5 min', '1h30m', '1e3s'])('%j is not a duration', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('a number without a unit is a duration only if the caller gives the unit', () => {
    expect(parseDuration('5', { bareUnit: 's' })).toBe(5000);
    expect(parseDuration('5ms', { bareUnit: 's' })).toBe(5);
    expect(parseDuration('', { bareUnit: 's' })).toBeUndefined();
  });
});

test('a written size or duration is parsed as the same value', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(), (bytes, ms) => {
      expect(parseSize(writeSize(bytes))).toBe(bytes);
      expect(parseDuration(writeDuration(ms))).toBe(ms);
    }),
  );
  expect([0, 1000, 2048, 64 * 2 ** 20, 3 * 2 ** 39].map(writeSize)).toEqual(['0', '1000', '2K', '64M', '1536G']);
  const durations = [0, 1, 1500, 60_000, 5_400_000, 129_600_000, 90 * 86_400_000];
  expect(durations.map(writeDuration)).toEqual(['0s', '1ms', '1500ms', '1m', '90m', '36h', '90d']);
});
