import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatBytes, formatMask, formatNs, formatPercent, formatShare, formatTime } from '../../src/text/format.ts';

test('formats bytes with a unit', () => {
  expect(formatBytes(0)).toBe('0 B');
  expect(formatBytes(1023)).toBe('1023 B');
  expect(formatBytes(1024)).toBe('1 KiB');
  expect(formatBytes(66_899_968)).toBe('63.8 MiB');
  expect(formatBytes(64 * 2 ** 20)).toBe('64 MiB');
  expect(formatBytes(-2048)).toBe('-2 KiB');
  expect(formatBytes(2 ** 60)).toBe('1024 PiB');
});

test('formats nanoseconds with a unit', () => {
  expect(formatNs(999)).toBe('999 ns');
  expect(formatNs(1_500)).toBe('1.5 µs');
  expect(formatNs(85_400)).toBe('85 µs');
  expect(formatNs(2_400_000)).toBe('2.4 ms');
  expect(formatNs(1_200_000_000)).toBe('1.2 s');
  expect(formatNs(31_000_000_000)).toBe('31 s');
});

test('formats bit masks as ranges', () => {
  expect(formatMask(0n)).toBe('');
  expect(formatMask(1n)).toBe('0');
  expect(formatMask(0b1_0000_1111n)).toBe('0-3,8');
  expect(formatMask(2n ** 63n)).toBe('63');
  expect(formatMask(2n ** 64n - 1n)).toBe('0-63');
});

test('formats shares as percentages', () => {
  expect([0, 0.004, 0.0996, 0.1, 0.666, 1].map(formatPercent)).toEqual(['0 %', '0 %', '10 %', '10 %', '67 %', '100 %']);
  expect([0, 0.004, 0.0996, 0.1, 0.666].map(formatShare)).toEqual(['0.0 %', '0.4 %', '10.0 %', '10 %', '67 %']);
});

test('the ranges of a mask can be parsed back into the mask', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (mask) => {
      let again = 0n;
      for (const range of formatMask(mask).split(',').filter(Boolean)) {
        const [first = 0, last = first] = range.split('-').map(Number);
        for (let bit = first; bit <= last; bit++) again |= 1n << BigInt(bit);
      }
      expect(again).toBe(mask);
    }),
  );
});

test('formats a time with every nanosecond', () => {
  expect(formatTime(0n)).toBe('1970-01-01T00:00:00.000000000Z');
  expect(formatTime(1_732_277_427_000_000_001n)).toBe('2024-11-22T12:10:27.000000001Z');
  expect(formatTime(1_732_277_427_999_999_999n)).toBe('2024-11-22T12:10:27.999999999Z');
});

test('formatted times sort as text, and can be parsed back', () => {
  const instant = fc.bigInt(0n, 4_000_000_000n * 1_000_000_000n);
  fc.assert(
    fc.property(instant, instant, (a, b) => {
      expect(formatTime(a)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
      expect(BigInt(Date.parse(formatTime(a)))).toBe(a / 1_000_000n);
      expect(formatTime(a) < formatTime(b)).toBe(a < b);
    }),
  );
});
