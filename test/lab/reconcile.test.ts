import { expect, test } from 'vitest';
import { type Ranked, withoutDrift } from './reconcile.ts';

const rank = (...entries: [pid: number, points: number][]): Ranked[] =>
  entries.map(([pid, points]) => ({ pid, points, adj: 0 }));

test('a few pages between the kernel and us are no difference, nor are ranks that they swap', () => {
  const kernels = rank([354, 136135], [168, 25], [163, 25]);
  expect(withoutDrift(rank([354, 136140], [163, 29], [168, 25]), kernels)).toEqual(kernels);
});

test('another order of equal numbers is a difference', () => {
  const ours = rank([354, 136135], [163, 25], [168, 25]);
  expect(withoutDrift(ours, rank([354, 136135], [168, 25], [163, 25]))).toEqual(ours);
});

test('a number far off is a difference, and so is a candidate that the kernel does not have', () => {
  const kernels = rank([354, 136135], [168, 25]);
  const far = rank([354, 9000], [168, 25]);
  expect(withoutDrift(far, kernels)).toEqual(far);
  const other = rank([354, 136135], [99, 25]);
  expect(withoutDrift(other, kernels)).toEqual(other);
});
