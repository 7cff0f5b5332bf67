import { expect, test } from 'vitest';
import { isAtLeast, parseKernelVersion } from '../../src/kernel-facts/version.ts';

test('parses the major and minor version of a kernel', () => {
  expect(parseKernelVersion('5.10.0-34-amd64')).toEqual([5, 10]);
  expect(parseKernelVersion('6.18')).toEqual([6, 18]);
  expect(parseKernelVersion('7.2-rc1')).toEqual([7, 2]);
  expect(['', 'linux', 'v5.10', '5'].map(parseKernelVersion)).toEqual(Array(4).fill(undefined));
});

test('compares versions as numbers', () => {
  expect(isAtLeast([5, 10], [5, 9])).toBe(true);
  expect(isAtLeast([5, 10], [5, 10])).toBe(true);
  expect(isAtLeast([5, 10], [5, 11])).toBe(false);
  expect(isAtLeast([5, 10], [6, 0])).toBe(false);
  expect(isAtLeast([6, 0], [5, 10])).toBe(true);
});
